//! Idle instances, each kept for the one program set whose programs it has compiled.

use super::instance::Instance;
use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

pub(super) type Key = [u8; 32];

/// Least recently used first.
pub(super) struct Pool {
    idle: Mutex<VecDeque<(Key, Instance)>>,
    capacity: usize,
    /// Most bytes that idle instances may have grown to together.
    memory: usize,
}

impl Pool {
    pub(super) fn new(capacity: usize, memory: usize) -> Self {
        Self { idle: Mutex::default(), capacity, memory }
    }

    pub(super) fn take(&self, key: &Key) -> Option<Instance> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let newest = idle.iter().rposition(|(owner, _)| owner == key)?;
        idle.remove(newest).map(|(_, instance)| instance)
    }

    pub(super) fn put(&self, key: Key, instance: Instance) {
        let mut dropped = Vec::new();
        {
            let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            idle.push_back((key, instance));
            let mut memory: usize = idle.iter().map(|(_, instance)| instance.growth()).sum();
            while idle.len() > self.capacity || memory > self.memory {
                let Some((_, oldest)) = idle.pop_front() else { break };
                memory -= oldest.growth();
                dropped.push(oldest);
            }
        }
        // Freeing memory takes time that others need not wait for.
        drop(dropped);
    }

    pub(super) fn len(&self) -> usize {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}
