//! `tenure run` in front of a person: a pseudo-terminal shows the table of steps and asks for approvals.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use nix::pty::{Winsize, openpty};
use serde_json::{Value, json};

use crate::harness::{PATIENCE, data_dir, run, tenure};

const EXPENSES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../demo/expense-approval.yaml");
const LARGE: &str = r#"{"amount": 900, "reason": "a new anvil"}"#;
/// Long enough that the table is drawn many times.
const PACED: &str = "name: paced\nnodes:\n  first: { type: transform, jq: '1' }\n  pause: { type: wait, for: 700ms }\n  \
    never: { type: transform, jq: '2' }\n  last: { type: transform, jq: '3' }\nedges:\n  - { from: start, to: first }\n  - \
    { from: first, to: pause }\n  - { from: pause, to: never, when: 'state.first > 1' }\n  - { from: pause, to: last, when: else }\n  - \
    { from: never, to: end }\n  - { from: last, to: end }\noutput: { given: .state.last }\n";
const FAILING: &str = "name: failing\nnodes:\n  good: { type: transform, jq: '1' }\n  bad: { type: transform, jq: 'error(\"\
    \\u001b[2J\\u009b2J no\")' }\nedges:\n  - { from: start, to: good }\n  - { from: good, to: bad }\n  - { from: bad, to: end }\n";

/// The program with a person before it: they see standard error and type; results go elsewhere.
pub struct Terminal {
    child: Child,
    keyboard: File,
    shown: Arc<Mutex<Vec<u8>>>,
    reader: Option<std::thread::JoinHandle<()>>,
}

impl Terminal {
    pub fn start(command: &mut Command) -> Self {
        let size = Winsize { ws_row: 24, ws_col: 100, ws_xpixel: 0, ws_ypixel: 0 };
        let pair = openpty(&size, None).unwrap();
        let end = || Stdio::from(pair.slave.try_clone().unwrap());
        // Nobody else may keep the program's end: when the process is gone, the reader below comes to its end.
        let child = command.stdin(end()).stderr(end()).stdout(Stdio::piped()).spawn().unwrap();
        command.stdin(Stdio::null()).stderr(Stdio::null());
        drop(pair.slave);
        let keyboard = File::from(pair.master);
        let mut screen = keyboard.try_clone().unwrap();
        let shown = Arc::<Mutex<Vec<u8>>>::default();
        let kept = Arc::clone(&shown);
        let reader = std::thread::spawn(move || {
            let mut part = [0; 4096];
            while let Ok(read @ 1..) = screen.read(&mut part) {
                kept.lock().unwrap().extend_from_slice(&part[..read]);
            }
        });
        Self { child, keyboard, shown, reader: Some(reader) }
    }

    fn raw(&self) -> String {
        String::from_utf8_lossy(&self.shown.lock().unwrap()).into_owned()
    }

    /// Waits until this was written so many times.
    #[track_caller]
    pub fn sees(&self, words: &str, times: usize) {
        let begun = Instant::now();
        while self.raw().matches(words).count() < times {
            assert!(begun.elapsed() < PATIENCE, "never {words:?}:\n{}", self.raw());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    pub fn types(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).unwrap();
    }

    /// Exit code, standard output, and all that was written on the terminal.
    pub fn end(mut self) -> (i32, String, String) {
        let mut out = String::new();
        self.child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
        let status = self.child.wait().unwrap();
        self.reader.take().unwrap().join().unwrap();
        (status.code().unwrap(), out, self.raw())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
    }
}

/// The program as on a terminal that shows colours.
fn coloured(data: &Path) -> Command {
    let mut command = tenure(data);
    command.env("TERM", "xterm-256color").env_remove("NO_COLOR").env_remove("CLICOLOR").env_remove("CLICOLOR_FORCE");
    command
}

/// The lines that stand on the terminal in the end, for the few escapes that the program writes.
fn screen(raw: &str) -> Vec<String> {
    let (mut lines, mut row, mut column) = (vec![Vec::new()], 0_usize, 0_usize);
    let mut rest = raw.chars();
    while let Some(letter) = rest.next() {
        match letter {
            '\u{1b}' => {
                assert_eq!(rest.next(), Some('['), "only control sequences: {raw:?}");
                let number: String = rest.by_ref().take_while(|c| c.is_ascii_digit() || *c == ';').collect();
                // The letter behind the number was taken with it: it stands where the number ends.
                let end = raw[..raw.len() - rest.as_str().len()].chars().next_back().unwrap();
                match end {
                    'm' => {}
                    'A' => row = row.checked_sub(number.parse().unwrap()).expect("the cursor stays on the screen"),
                    'K' => lines[row].clear(),
                    other => panic!("an escape {other:?} in {raw:?}"),
                }
            }
            '\r' => column = 0,
            '\n' => {
                row += 1;
                if row == lines.len() {
                    lines.push(Vec::new());
                }
            }
            letter => {
                assert!(!letter.is_control(), "{letter:?} reaches the terminal: {raw:?}");
                let line = &mut lines[row];
                line.resize(line.len().max(column + 1), ' ');
                line[column] = letter;
                column += 1;
            }
        }
    }
    lines.into_iter().map(|line| line.into_iter().collect::<String>().trim_end().to_owned()).collect()
}

/// The words of the line that is about this step; there is one.
#[track_caller]
fn row<'a>(screen: &'a [String], step: &str) -> Vec<&'a str> {
    let rows: Vec<Vec<&str>> = screen
        .iter()
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .filter(|words| words.get(1) == Some(&step))
        .collect();
    assert_eq!(rows.len(), 1, "{step} in {screen:#?}");
    rows[0].clone()
}

fn definition(directory: &Path, text: &str) -> std::path::PathBuf {
    let path = directory.join("definition.yaml");
    std::fs::write(&path, text).unwrap();
    path
}

#[test]
fn steps_are_a_table_that_is_drawn_in_place_and_ends_with_their_states() {
    let data = data_dir();
    let paced = definition(data.path(), PACED);
    let (code, out, raw) = Terminal::start(coloured(data.path()).arg("run").arg(&paced).arg("--watch")).end();
    assert_eq!((code, out.as_str()), (0, "{\n  \"given\": 3\n}\n"), "{raw}");
    assert!(raw.contains("▸ pause") && raw.matches("\u{1b}[2K").count() > 4, "it was drawn while it waited: {raw:?}");
    assert!(raw.contains("\u{1b}[32m"), "what succeeded is green: {raw:?}");
    let shown = screen(&raw);
    assert_eq!(row(&shown, "first")[..4], ["✓", "first", "transform", "succeeded"]);
    assert_eq!(row(&shown, "pause")[..4], ["✓", "pause", "wait", "succeeded"]);
    assert_eq!(row(&shown, "never")[..4], ["·", "never", "transform", "skipped"]);
    assert_eq!(row(&shown, "last")[..4], ["✓", "last", "transform", "succeeded"]);
    let footer = "████████████████████ 4 of 4 steps, succeeded";
    assert_eq!(shown.iter().filter(|line| line.contains("steps, ")).collect::<Vec<_>>(), [footer]);

    // Without colours the same table, in place too.
    let mut command = coloured(data.path());
    let (code, _, raw) = Terminal::start(command.env("NO_COLOR", "1").arg("run").arg(&paced).arg("--watch")).end();
    assert_eq!(code, 0, "{raw}");
    assert!(raw.contains("\u{1b}[2K"), "{raw:?}");
    assert!(!raw.contains("\u{1b}[0m") && !raw.contains("\u{1b}[32m") && !raw.contains("\u{1b}[2m"), "{raw:?}");
    assert_eq!(row(&screen(&raw), "pause")[..4], ["✓", "pause", "wait", "succeeded"]);

    // A terminal that cannot move its cursor gets lines.
    let mut command = coloured(data.path());
    let (code, _, raw) = Terminal::start(command.env("TERM", "dumb").arg("run").arg(&paced).arg("--watch")).end();
    assert!(code == 0 && raw.contains("pause (wait) succeeded") && !raw.contains('\u{1b}'), "{raw:?}");
}

#[test]
fn a_failed_step_is_red_and_what_it_says_moves_no_cursor() {
    let data = data_dir();
    let failing = definition(data.path(), FAILING);
    let mut command = coloured(data.path());
    let (code, out, raw) = Terminal::start(command.arg("run").arg(&failing).arg("--watch")).end();
    assert_eq!((code, out.as_str()), (1, ""), "{raw}");
    let shown = screen(&raw);
    assert_eq!(row(&shown, "good")[..4], ["✓", "good", "transform", "succeeded"]);
    assert_eq!(row(&shown, "bad")[..4], ["✗", "bad", "transform", "failed"]);
    assert!(raw.contains("\u{1b}[31m✗ bad"), "{raw:?}");
    let reason = shown.iter().find(|line| line.starts_with("error: ")).unwrap();
    assert!(reason.contains("failed at step bad: expression:") && reason.contains("[2J"), "{reason}");
    let id = reason.split_whitespace().nth(1).unwrap();
    let (code, out, _) = run(coloured(data.path()).args(["execution", "show", id]));
    assert!(code == 0 && out.contains("[2J") && !out.contains(['\u{1b}', '\u{9b}']), "{out:?}");

    // Where nobody watches there is neither colour nor cursor.
    let (code, _, errors) = run(coloured(data.path()).arg("run").arg(&failing).arg("--watch"));
    assert!(code == 1 && errors.contains("bad (transform) failed") && !errors.contains('\u{1b}'), "{errors:?}");
}

#[test]
fn an_approval_is_asked_for_on_the_terminal_and_ends_as_it_was_answered() {
    let data = data_dir();
    let ask = "Approve ask? [y]es, [n]o, [l]ater: ";
    let begin = |arguments: &[&str]| {
        Terminal::start(coloured(data.path()).args(["run", EXPENSES, "--input", LARGE]).args(arguments))
    };

    let mut terminal = begin(&["--watch"]);
    terminal.sees(ask, 1);
    let asked = terminal.raw();
    assert!(asked.contains("ask needs an approval") && asked.contains("a new anvil"), "{asked}");
    terminal.types("perhaps\n");
    terminal.sees(ask, 2);
    terminal.types("Y\n");
    let (code, out, raw) = terminal.end();
    assert_eq!(code, 0, "{raw}");
    assert_eq!(serde_json::from_str::<Value>(&out).unwrap(), json!({"booked": 900, "reason": "a new anvil"}));
    let shown = screen(&raw);
    // Below the question the table begins anew.
    let again = shown.iter().rposition(|line| line.contains(ask)).unwrap();
    assert_eq!(row(&shown[again..], "ask")[..4], ["✓", "ask", "approval", "succeeded"]);
    assert_eq!(row(&shown[again..], "booked")[..4], ["✓", "booked", "transform", "succeeded"]);
    assert!(shown.iter().any(|line| line.contains("3 of 3 steps, succeeded")), "{shown:#?}");

    let mut terminal = begin(&[]);
    terminal.sees(ask, 1);
    terminal.types("n\n");
    let (code, out, raw) = terminal.end();
    assert_eq!((code, out.as_str()), (1, ""), "{raw}");
    assert!(raw.contains("failed at step ask: rejected"), "{raw}");
    assert!(!raw.contains("steps, "), "no table where none was wanted: {raw}");

    // Later, by word or by leaving (Ctrl-D): the execution waits.
    for keys in ["l\n", "\u{4}"] {
        let mut terminal = begin(&[]);
        terminal.sees(ask, 1);
        terminal.types(keys);
        let (code, out, raw) = terminal.end();
        assert_eq!((code, out.as_str()), (3, ""), "{raw}");
        assert!(raw.contains("waits for an approval (ask)"), "{raw}");
    }
}

#[test]
fn nobody_is_asked_who_could_not_answer_or_see_the_question() {
    let data = data_dir();
    let (code, out, raw) =
        Terminal::start(coloured(data.path()).args(["run", EXPENSES, "--input", LARGE, "--json"])).end();
    assert_eq!(code, 3, "{raw}");
    assert_eq!(serde_json::from_str::<Value>(&out).unwrap()["state"], "waiting");
    assert!(!raw.contains("Approve"), "{raw}");

    // A keyboard, but what is written goes into a file.
    let pair = openpty(None, None).unwrap();
    let mut command = coloured(data.path());
    command.args(["run", EXPENSES, "--input", LARGE]).stdin(pair.slave);
    let output = command.stdout(Stdio::piped()).stderr(Stdio::piped()).output().unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(3), "{errors}");
    assert!(!errors.contains("Approve") && errors.contains("waits for an approval (ask)"), "{errors}");
    assert!(!errors.contains('\u{1b}'), "{errors:?}");

    // Seen, but nothing can be typed.
    let pair = openpty(None, None).unwrap();
    let mut command = coloured(data.path());
    let status = command.args(["run", EXPENSES, "--input", LARGE]).stderr(pair.slave).stdout(Stdio::null()).status();
    assert_eq!(status.unwrap().code(), Some(3));
}
