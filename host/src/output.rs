//! Standard output of a program.

use std::fmt::Arguments;
use std::io::{self, ErrorKind, Write};

/// Writes a line, or lines, to standard output. A reader that has gone, as `head` does when it has enough, is no error:
/// what the program was asked to do goes on and counts.
///
/// # Errors
/// What else keeps the text from being written, such as a full disk.
pub fn print(text: Arguments<'_>) -> io::Result<()> {
    write(&mut io::stdout().lock(), text)
}

fn write(out: &mut impl Write, text: Arguments<'_>) -> io::Result<()> {
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

#[cfg(test)]
mod tests {
    use super::write;
    use std::io::{BufWriter, ErrorKind, pipe};

    #[test]
    fn a_reader_that_has_gone_is_no_error() {
        let (reader, mut writer) = pipe().unwrap();
        drop(reader);
        write(&mut writer, format_args!("a line")).unwrap();
        // Where the text is held back, the flush meets it.
        write(&mut BufWriter::new(writer), format_args!("a line")).unwrap();
    }

    #[test]
    fn a_full_disk_is_one() {
        let mut full = std::fs::File::options()
            .write(true)
            .open("/dev/full")
            .unwrap();
        let error = write(&mut full, format_args!("a line")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::StorageFull);
    }
}
