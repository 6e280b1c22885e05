//! Reports as pages that need nothing else: no script, no font, no image; light and dark as the reader's system is.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::report::{Chart, Kind, Report, Table, number};

const STYLE: &str = include_str!("page.css");
/// Bars beyond these are added up.
const MOST_BARS: usize = 12;

/// What the page may load: its own style, named by its digest.
pub(super) fn policy() -> String {
    let digest = Sha256::digest(STYLE);
    let style = STANDARD.encode(digest);
    format!(
        "default-src 'none'; style-src 'sha256-{style}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
}

/// A report.
pub(super) fn report(report: &Report) -> String {
    frame(
        &report.title,
        &html! {
            header {
                p.source { (report.source) }
                h1 { (report.title) }
                p.quiet { "Execution " code { (report.execution) } }
            }
            dl.tiles { @for tile in &report.tiles {
                div { dt { (tile.label) } dd { (number(tile.value, &tile.unit)) } }
            } }
            div.charts { @for one in &report.charts { (chart(one)) } }
            @if let Some(table) = &report.table { (rows(table)) }
        },
    )
}

/// All that came, newest first.
pub(super) fn list(reports: &[Report]) -> String {
    frame(
        "Reports",
        &html! {
            header { h1 { "Reports" } }
            @if reports.is_empty() {
                p { "None has come yet. Strike triage posts its report once an operator has approved the expensive strikes: log in to the console as " code { "operator" } " and open Approvals." }
            }
            ul.reports { @for report in reports {
                li { a href={ "/reports/" (report.execution) } { (report.title) } p.quiet { (report.source) } }
            } }
        },
    )
}

/// There is none of this name.
pub(super) fn missing() -> String {
    frame(
        "No such report",
        &html! {
            header { h1 { "There is no such report" } }
            p { a href="/" { "All reports" } }
        },
    )
}

fn frame(title: &str, content: &Markup) -> String {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) }
                // As it stands: the policy names its digest.
                style { (PreEscaped(STYLE)) }
            }
            body { main { (content) } }
        }
    }
    .into_string()
}

fn chart(chart: &Chart) -> Markup {
    html! {
        section class=(match chart.kind { Kind::Columns => "chart wide", Kind::Bars => "chart" }) {
            h2 { (chart.title) }
            @match chart.kind {
                Kind::Columns => (columns(chart)),
                Kind::Bars => (bars(chart)),
            }
        }
    }
}

/// Widths and heights are attributes of SVG, because a policy without `unsafe-inline` drops style attributes.
fn columns(chart: &Chart) -> Markup {
    let figures = chart.figures();
    let most = figures.iter().map(|(_, value)| *value).fold(1.0, f64::max);
    html! {
        ol.columns { @for (name, value) in figures {
            @let height = value / most * 100.0;
            li {
                span.value { (number(value, &chart.unit)) }
                svg aria-hidden="true" width="100%" height="160" {
                    rect class="mark" x="12%" width="76%" rx="3" y=(format!("{:.2}%", 100.0 - height)) height=(format!("{height:.2}%")) {}
                }
                span.name { (name) }
            }
        } }
    }
}

fn bars(chart: &Chart) -> Markup {
    let figures = chart.figures();
    let most = figures.first().map_or(1.0, |(_, value)| value.max(1.0));
    let (shown, rest) = figures.split_at(figures.len().min(MOST_BARS));
    let others: f64 = rest.iter().map(|(_, value)| value).sum();
    html! {
        ol.bars { @for (name, value) in shown {
            li {
                span.name { (name) }
                svg aria-hidden="true" width="100%" height="14" {
                    rect class="track" width="100%" height="100%" rx="3" {}
                    rect class="mark" width=(format!("{:.2}%", value / most * 100.0)) height="100%" rx="3" {}
                }
                span.value { (number(*value, &chart.unit)) }
            }
        } }
        @if !rest.is_empty() {
            p.quiet { "and " (rest.len()) " more, together " (number(others, &chart.unit)) }
        }
    }
}

fn rows(table: &Table) -> Markup {
    html! {
        section.chart.wide {
            h2 { (table.title) }
            @if !table.note.is_empty() { p.quiet { (table.note) } }
            div.scroll tabindex="0" role="region" aria-label=(table.title) {
                table {
                    thead { tr { @for column in &table.columns { th scope="col" { (column) } } } }
                    tbody { @for row in &table.rows { tr { @for cell in row { (cell_of(cell)) } } } }
                }
            }
        }
    }
}

fn cell_of(value: &Value) -> Markup {
    match value {
        Value::Number(value) => html! { td.number { (number(value.as_f64().unwrap_or_default(), "")) } },
        Value::String(text) => html! { td { (text) } },
        Value::Null => html! { td {} },
        other => html! { td { (other.to_string()) } },
    }
}
