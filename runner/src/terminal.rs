//! Text for people: columns are aligned, colour is used where it is seen, and nothing from a file can steer the
//! terminal.

use std::error::Error;
use std::io::{self, IsTerminal, Write, stdout};

use anstyle::{AnsiColor, Style};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::stage::Stage;

/// Whether colour is used: on a terminal, unless NO_COLOR says otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ColorChoice {
    Plain,
    Coloured,
}

impl ColorChoice {
    pub(crate) fn of(stream: &impl IsTerminal) -> ColorChoice {
        let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|value| value == "dumb");
        match stream.is_terminal() && !unwanted && !dumb {
            true => ColorChoice::Coloured,
            false => ColorChoice::Plain,
        }
    }

    pub(crate) fn bold(self, text: &str) -> String {
        self.paint(text, Style::new().bold())
    }

    pub(crate) fn dim(self, text: &str) -> String {
        self.paint(text, Style::new().dimmed())
    }

    pub(crate) fn stage(self, stage: Stage, text: &str) -> String {
        let colour = match stage {
            Stage::Inbox => AnsiColor::Cyan,
            Stage::Building | Stage::Testing => AnsiColor::Yellow,
            Stage::Review => AnsiColor::Magenta,
            Stage::Shipped => AnsiColor::Green,
            Stage::Failed | Stage::Quarantine => AnsiColor::Red,
        };
        self.paint(text, colour.on_default())
    }

    pub(crate) fn success(self, text: &str) -> String {
        self.paint(text, AnsiColor::Green.on_default())
    }

    pub(crate) fn warning(self, text: &str) -> String {
        self.paint(text, AnsiColor::Yellow.on_default())
    }

    pub(crate) fn failure(self, text: &str) -> String {
        self.paint(text, AnsiColor::Red.on_default())
    }

    fn paint(self, text: &str, style: Style) -> String {
        match self {
            ColorChoice::Plain => text.to_owned(),
            ColorChoice::Coloured => format!("{style}{text}{style:#}"),
        }
    }
}

/// Begins a line of `aq` itself between the lines of others. No text from elsewhere is shown with it.
pub(crate) const OWN_LINE: char = '┄';

/// Escapes a line of text from a file or from elsewhere, so that everything in it is visible and nothing steers a
/// terminal.
pub(crate) fn escape_control(text: &str) -> String {
    // Almost all that there is to show, and a log has much of it.
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return text.to_owned();
    }
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            character if character.is_control() => shown.extend(character.escape_default()),
            // These characters reorder or hide what stands around them.
            '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}' => {
                shown.extend(character.escape_unicode());
            }
            OWN_LINE => shown.extend(character.escape_unicode()),
            character => shown.push(character),
        }
    }
    shown
}

/// The text of an error with all its causes, on one line.
pub(crate) fn error_chain(error: &dyn Error) -> String {
    let causes: Vec<String> = std::iter::successors(Some(error), |&error| error.source())
        .map(ToString::to_string)
        .collect();
    causes.join(": ")
}

/// Returns a line without escape sequences and without the space around it. `anstream` would drop control characters
/// as well, which `escape_control` has to show.
pub(crate) fn strip_ansi(line: &str) -> String {
    let mut text = String::new();
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        if character != '\x1b' {
            text.push(character);
        } else if characters.next() == Some('[') {
            // The sequence ends with the first character that is none of its numbers.
            characters.find(|character| matches!(character, '@'..='~'));
        }
    }
    text.trim().to_owned()
}

/// How many columns the terminal behind a stream has.
pub(crate) fn columns(stream: &impl std::os::fd::AsFd) -> usize {
    const USUAL: usize = 80;
    let size = rustix::termios::tcgetwinsize(stream);
    size.map_or(USUAL, |size| match size.ws_col {
        0 => USUAL,
        columns => usize::from(columns),
    })
}

/// Cuts a line so that a terminal of that width does not break it.
pub(crate) fn truncate_to_width(line: &str, width: usize) -> String {
    let mut used = 0;
    let fits = line.chars().take_while(|character| {
        used += character.width().unwrap_or(0);
        used < width
    });
    fits.collect()
}

/// Breaks a text between words, to stand behind a label of `indent` columns, where standard output is a terminal. A
/// program gets one line.
pub(crate) fn wrap(text: &str, indent: usize) -> String {
    if !stdout().is_terminal() {
        return text.to_owned();
    }
    let width = columns(&stdout()).saturating_sub(indent);
    let (mut wrapped, mut used) = (String::new(), 0);
    for word in text.split(' ') {
        if used > 0 && used + 1 + word.width() > width {
            wrapped += &format!("\n{:indent$}", "");
            used = 0;
        } else if used > 0 {
            wrapped.push(' ');
            used += 1;
        }
        wrapped += word;
        used += word.width();
    }
    wrapped
}

/// Rows under a heading, each column as wide as its widest cell.
#[derive(Debug)]
pub(crate) struct TextTable {
    rows: Vec<Vec<String>>,
    /// The columns of the terminal that it goes to; no row is longer.
    width: Option<usize>,
    /// Whether the last cell of a row goes on below itself where the terminal ends, or is cut there.
    is_wrapped: bool,
}

impl TextTable {
    pub(crate) fn new(heading: &[&str]) -> TextTable {
        TextTable {
            rows: vec![heading.iter().map(|cell| (*cell).to_owned()).collect()],
            width: stdout().is_terminal().then(|| columns(&stdout())),
            is_wrapped: false,
        }
    }

    /// Of few rows, whose last cell is what people look for.
    pub(crate) fn wrapped(self) -> TextTable {
        TextTable {
            is_wrapped: true,
            ..self
        }
    }

    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows
            .push(cells.into_iter().map(|cell| escape_control(&cell)).collect());
    }

    /// Has the last cell of a row end where the terminal ends.
    fn fit(&self, cell: &str, before: usize) -> String {
        if self.is_wrapped {
            return wrap(cell, before);
        }
        match self.width.map(|width| width.saturating_sub(before)) {
            Some(left) if cell.width() > left && left > 1 => truncate_to_width(cell, left) + "…",
            _ => cell.to_owned(),
        }
    }

    /// Writes the table with its heading dimmed.
    pub(crate) fn write_plain(&self, out: &mut impl Write, palette: ColorChoice) -> io::Result<()> {
        self.write(out, |row, _, cell| match row {
            0 => palette.dim(&cell),
            _ => cell,
        })
    }

    /// Writes the table. `paint` gets the number of the row (0 is the heading), that of the column, and the padded
    /// cell.
    pub(crate) fn write(
        &self,
        out: &mut impl Write,
        paint: impl Fn(usize, usize, String) -> String,
    ) -> io::Result<()> {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.width()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        for (number, row) in self.rows.iter().enumerate() {
            let last = row.iter().rposition(|cell| !cell.is_empty()).unwrap_or(0);
            let before: usize = widths.iter().take(last).map(|width| width + 2).sum();
            let cells = row.iter().take(last + 1).enumerate().map(|(column, cell)| {
                let padded = match column == last {
                    true => self.fit(cell, before),
                    false => format!(
                        "{cell}{}",
                        " ".repeat(widths[column].saturating_sub(cell.width()))
                    ),
                };
                paint(number, column, padded)
            });
            writeln!(out, "{}", cells.collect::<Vec<_>>().join("  "))?;
        }
        Ok(())
    }
}

/// `1.2 MiB`
pub(crate) fn bytes(count: u64) -> String {
    const UNITS: [(&str, u64); 3] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    match UNITS.into_iter().find(|(_, size)| count >= *size) {
        Some((unit, size)) => {
            let tenths = u128::from(count) * 10 / u128::from(size);
            format!("{}.{} {unit}", tenths / 10, tenths % 10)
        }
        None => format!("{count} bytes"),
    }
}

/// `1 error`, `2 errors`
pub(crate) fn counted(count: u32, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {what}{plural}")
}

/// Cuts and does not round, so that less than all is never shown as 100 %.
pub(crate) fn percent(rate: Option<f64>) -> String {
    match rate {
        Some(rate) => format!("{:.1} %", (rate * 1000.0).floor() / 10.0),
        None => String::from("no data"),
    }
}

/// `98 %`, `0.5 %`: a limit that somebody chose.
pub(crate) fn limit_percent(rate: f64) -> String {
    format!("{} %", (rate * 1000.0).round() / 10.0)
}

/// `3m12s`, `1.4s`: two units at most.
pub(crate) fn duration(length: std::time::Duration) -> String {
    let seconds = length.as_secs();
    match seconds {
        0..=9 => format!("{:.1}s", length.as_secs_f64()),
        10..=59 => format!("{seconds}s"),
        60..=3599 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        3600..=86_399 => format!("{}h{:02}m", seconds / 3600, seconds / 60 % 60),
        _ => format!("{}d{:02}h", seconds / 86_400, seconds / 3600 % 24),
    }
}

/// How long ago an instant was.
pub(crate) fn ago(at: &str) -> String {
    let length = since(at).and_then(|since| std::time::Duration::try_from(since).ok());
    length.map_or("-".to_owned(), duration)
}

/// How long it is until an instant; nothing, if it is over.
pub(crate) fn until(at: &str) -> String {
    let length = since(at).map(|since| std::time::Duration::try_from(-since).unwrap_or_default());
    length.map_or("-".to_owned(), duration)
}

fn since(at: &str) -> Option<jiff::SignedDuration> {
    let at: jiff::Timestamp = at.parse().ok()?;
    Some(jiff::Timestamp::now().duration_since(at))
}

/// `2026-03-02 09:30:45Z`: an instant in UTC, so that it means the same on every host; anything else as it is.
pub(crate) fn instant(text: &str) -> String {
    match text.parse::<jiff::Timestamp>() {
        Ok(at) => format!("{at:.0}").replace('T', " "),
        Err(_) => text.to_owned(),
    }
}

#[cfg(test)]
mod tests;
