//! Server-sent events, as far as models use them: the data of each event. Reads bytes as they come, cut anywhere.
//!
//! As the HTML standard has it: lines end with LF, CR or CRLF, comments and fields that we do not know are passed over,
//! an empty line closes an event.

/// The events of one stream.
#[derive(Debug, Default)]
pub(crate) struct Events {
    line: Vec<u8>,
    data: Option<String>,
    after_cr: bool,
    begun: bool,
}

impl Events {
    /// The data of every event that these bytes close.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Vec<String> {
        let mut closed = Vec::new();
        for &byte in bytes {
            let of_crlf = std::mem::replace(&mut self.after_cr, byte == b'\r') && byte == b'\n';
            match byte {
                _ if of_crlf => {}
                b'\n' | b'\r' => closed.extend(self.end_of_line()),
                _ => self.line.push(byte),
            }
        }
        closed
    }

    /// The stream is over: the data of an event that no empty line closed.
    pub(crate) fn end(mut self) -> Option<String> {
        if !self.line.is_empty() {
            self.end_of_line();
        }
        self.data
    }

    fn end_of_line(&mut self) -> Option<String> {
        let line = std::mem::take(&mut self.line);
        let mut line = &line[..];
        if !std::mem::replace(&mut self.begun, true) {
            line = line.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(line);
        }
        if line.is_empty() {
            return self.data.take();
        }
        let (field, value) = match line.iter().position(|byte| *byte == b':') {
            Some(at) => (&line[..at], &line[at + 1..]),
            None => (line, &b""[..]),
        };
        if field == b"data" {
            let value = String::from_utf8_lossy(value.strip_prefix(b" ").unwrap_or(value));
            match &mut self.data {
                Some(data) => {
                    data.push('\n');
                    data.push_str(&value);
                }
                None => self.data = Some(value.into_owned()),
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &[u8] =
        b"\xEF\xBB\xBFdata: one\r\n\r\n: a comment\n\nevent: x\ndata:two\ndata: three\nunknown: 1\nid\r\r\
                            data\n\ndata: \xC3\xA9\n\ndata: [DONE]";

    #[test]
    fn events_are_the_same_wherever_the_bytes_are_cut() {
        let whole = ["one", "two\nthree", "", "é"];
        for cut in 0..=STREAM.len() {
            let mut events = Events::default();
            let mut seen = events.feed(&STREAM[..cut]);
            seen.extend(events.feed(&STREAM[cut..]));
            assert_eq!(seen, whole, "cut after {cut} bytes");
            assert_eq!(events.end().as_deref(), Some("[DONE]"), "cut after {cut} bytes");
        }
    }

    #[test]
    fn nothing_is_left_of_what_was_closed() {
        let mut events = Events::default();
        assert_eq!(events.feed(b"data: one\n\n\n\n"), ["one"]);
        assert_eq!(events.end(), None);
    }
}
