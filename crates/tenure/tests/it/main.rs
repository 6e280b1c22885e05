//! The program as its users meet it: as a process, over real sockets, on a PostgreSQL of its own.

// Helpers may fail like the tests that call them.
#![cfg(test)]

mod audit;
mod auth_off;
mod canary;
mod cli;
mod demo;
mod docs;
mod guests;
mod harness;
mod keys;
mod lifecycle;
mod login;
mod mail;
mod memory;
mod own_database;
mod outages;
mod pages;
mod platform_admin;
mod people;
mod proof;
mod proxies;
mod quotas;
mod receiver;
mod run;
mod setup;
mod terminal;
mod two_servers;
