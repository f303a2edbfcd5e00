//! Server-sent events out of bytes.

/// One event.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Event {
    pub(super) name: String,
    pub(super) data: String,
}

/// Events in the making.
#[derive(Debug, Default)]
pub(super) struct Events {
    bytes: Vec<u8>,
    /// Up to here no line's end was found.
    seen: usize,
    event: Event,
}

impl Events {
    /// More bytes, cut anywhere.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The next whole event.
    pub(super) fn next(&mut self) -> Option<Event> {
        while let Some(end) = self.bytes[self.seen..].iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.bytes.drain(..=self.seen + end).collect();
            self.seen = 0;
            let line = String::from_utf8_lossy(&line);
            let line = line.trim_end_matches(['\r', '\n']);
            if line.is_empty() {
                let event = std::mem::take(&mut self.event);
                if event != Event::default() {
                    return Some(event);
                }
                continue;
            }
            let (field, value) = line.split_once(':').unwrap_or((line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "event" => value.clone_into(&mut self.event.name),
                "data" if self.event.data.is_empty() => value.clone_into(&mut self.event.data),
                "data" => {
                    self.event.data.push('\n');
                    self.event.data.push_str(value);
                }
                // A comment, or something that we don't use.
                _ => {}
            }
        }
        self.seen = self.bytes.len();
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_the_same_wherever_the_bytes_are_cut() {
        let text = "event: next\ndata: é1\ndata: 2\n\n:\n\nevent: complete\r\ndata:\r\n\r\n".as_bytes();
        let expected = [
            Event {
                name: "next".into(),
                data: "é1\n2".into(),
            },
            Event {
                name: "complete".into(),
                data: String::new(),
            },
        ];
        for cut in 1..text.len() {
            let mut events = Events::default();
            let mut all = Vec::new();
            for part in text.chunks(cut) {
                events.push(part);
                all.extend(std::iter::from_fn(|| events.next()));
            }
            assert_eq!(all, expected, "cut at {cut}");
        }
    }
}
