//! An incremental parser of server-sent events (WHATWG HTML, "Interpreting an event stream"), as far as these wires
//! need it: the data of each event, whatever the network does to the chunks it comes in.

/// Longest line, and most data of one event, in bytes, where nothing else is said.
pub(crate) const LIMIT: usize = 1 << 20;

/// A line or an event was longer than it may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a line or event of the stream is longer than {0} bytes")]
pub(crate) struct TooLong(pub(crate) usize);

#[derive(Debug)]
pub(crate) struct SseParser {
    limit: usize,
    /// The beginning of a line whose end has not come yet.
    line: Vec<u8>,
    /// The data lines of the current event, each followed by a line feed.
    data: Vec<u8>,
    /// The last byte was a carriage return: a line feed now belongs to it.
    after_cr: bool,
    /// The first line is over: a byte order mark is only skipped at its beginning.
    begun: bool,
}

impl Default for SseParser {
    fn default() -> Self {
        Self::with_limit(LIMIT)
    }
}

impl SseParser {
    /// One whose lines and events may have so many bytes.
    pub(crate) fn with_limit(limit: usize) -> Self {
        Self {
            limit,
            line: Vec::new(),
            data: Vec::new(),
            after_cr: false,
            begun: false,
        }
    }

    /// Takes the next bytes and hands the data of each event they complete to `on_data`.
    pub(crate) fn feed<E: From<TooLong>>(
        &mut self,
        mut bytes: &[u8],
        on_data: &mut impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        if self.after_cr && !bytes.is_empty() {
            self.after_cr = false;
            bytes = bytes.strip_prefix(b"\n").unwrap_or(bytes);
        }
        while let Some(end) = bytes.iter().position(|b| matches!(b, b'\n' | b'\r')) {
            let (line, rest) = bytes.split_at(end);
            if self.line.is_empty() {
                self.end_of_line(line, on_data)?;
            } else {
                self.keep(line)?;
                let whole = std::mem::take(&mut self.line);
                let outcome = self.end_of_line(&whole, on_data);
                self.line = whole;
                self.line.clear();
                outcome?;
            }
            bytes = match rest {
                [b'\r', b'\n', rest @ ..] | [b'\n', rest @ ..] => rest,
                [b'\r'] => {
                    self.after_cr = true;
                    &[]
                }
                [_, rest @ ..] => rest,
                [] => &[],
            };
        }
        self.keep(bytes)?;
        Ok(())
    }

    /// The stream is over. An event that lacks only its empty line is still handed out: several servers end so,
    /// and whether its data is whole shows when it is read.
    pub(crate) fn finish<E: From<TooLong>>(
        &mut self,
        on_data: &mut impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let rest = std::mem::take(&mut self.line);
        if !rest.is_empty() {
            self.end_of_line(&rest, on_data)?;
        }
        self.end_of_line(b"", on_data)
    }

    fn keep(&mut self, bytes: &[u8]) -> Result<(), TooLong> {
        if self.line.len() + bytes.len() > self.limit {
            return Err(TooLong(self.limit));
        }
        self.line.extend_from_slice(bytes);
        Ok(())
    }

    fn end_of_line<E: From<TooLong>>(
        &mut self,
        line: &[u8],
        on_data: &mut impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let line = if self.begun {
            line
        } else {
            self.begun = true;
            line.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(line)
        };
        if line.is_empty() {
            if let Some((_, data)) = self.data.split_last() {
                let outcome = on_data(data);
                self.data.clear();
                return outcome;
            }
            return Ok(());
        }
        let value = match line.strip_prefix(b"data") {
            Some([b':', value @ ..]) => value.strip_prefix(b" ").unwrap_or(value),
            Some([]) => b"",
            // Comments, event names, ids and reconnection times mean nothing on these wires: the data says itself what it is.
            _ => return Ok(()),
        };
        if self.data.len() + value.len() >= self.limit {
            return Err(TooLong(self.limit).into());
        }
        self.data.extend_from_slice(value);
        self.data.push(b'\n');
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn events(chunks: &[&[u8]]) -> Result<Vec<String>, TooLong> {
        let mut found = Vec::new();
        let mut parser = SseParser::default();
        let mut keep = |data: &[u8]| {
            found.push(String::from_utf8_lossy(data).into_owned());
            Ok(())
        };
        for chunk in chunks {
            parser.feed(chunk, &mut keep)?;
        }
        parser.finish(&mut keep)?;
        Ok(found)
    }

    #[test]
    fn data_is_found_between_comments_names_and_all_line_endings() {
        let text = b"\xEF\xBB\xBF: hello\r\nevent: x\r\ndata: one\r\n\r\ndata:two\n\nid: 7\rdata:  three\r\r";
        assert_eq!(events(&[text]).unwrap(), ["one", "two", " three"]);
    }

    #[test]
    fn data_of_several_lines_is_joined_by_line_feeds() {
        assert_eq!(events(&[b"data: a\ndata\ndata: b\n\n"]).unwrap(), ["a\n\nb"]);
    }

    #[test]
    fn events_without_data_and_other_fields_are_nothing() {
        assert!(
            events(&[b"\n\n: ping\n\nevent: x\n\ndatabase: y\n\n"])
                .unwrap()
                .is_empty()
        );
    }

    #[test]
    fn an_event_that_lacks_its_empty_line_at_the_end_is_handed_out() {
        assert_eq!(events(&[b"data: a\n\ndata: [DONE]"]).unwrap(), ["a", "[DONE]"]);
    }

    #[test]
    fn a_line_beyond_the_limit_is_refused_in_one_chunk_and_in_many() {
        let long = vec![b'x'; LIMIT + 1];
        assert_eq!(events(&[&long]), Err(TooLong(LIMIT)));
        assert_eq!(
            events(&[b"data: ", &long[..LIMIT / 2], &long[..LIMIT / 2]]),
            Err(TooLong(LIMIT))
        );
        let mut whole = b"data: ".to_vec();
        whole.extend_from_slice(&long);
        whole.extend_from_slice(b"\n\n");
        assert_eq!(events(&[&whole]), Err(TooLong(LIMIT)));
    }

    #[test]
    fn an_event_of_endless_lines_is_refused() {
        let line = [b"data: ".to_vec(), vec![b'y'; 1000], b"\n".to_vec()].concat();
        let chunks = vec![line.as_slice(); LIMIT / 1000 + 2];
        assert_eq!(events(&chunks), Err(TooLong(LIMIT)));
    }

    /// Pieces whose joints are where parsers break.
    fn piece() -> impl Strategy<Value = &'static str> {
        prop::sample::select(vec![
            "data",
            ":",
            " ",
            "\r",
            "\n",
            "\r\n",
            "\n\n",
            "data: ",
            "data:x",
            "{\"a\":1}",
            ": c",
            "é",
            "event: e",
        ])
    }

    proptest! {
        #[test]
        fn chunk_borders_change_nothing(
            pieces in prop::collection::vec(piece(), 0..60),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
        ) {
            let text = pieces.concat();
            let bytes = text.as_bytes();
            let mut at: Vec<usize> = cuts.iter().map(|i| i.index(bytes.len() + 1)).collect();
            at.extend([0, bytes.len()]);
            at.sort_unstable();
            let chunks: Vec<&[u8]> = at.windows(2).map(|w| &bytes[w[0]..w[1]]).collect();
            let whole = events(&[bytes]).unwrap();
            prop_assert_eq!(&events(&chunks).unwrap(), &whole);
            let single: Vec<&[u8]> = bytes.chunks(1).collect();
            prop_assert_eq!(&events(&single).unwrap(), &whole);
        }

        #[test]
        fn arbitrary_bytes_never_break_it(chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..20)) {
            let chunks: Vec<&[u8]> = chunks.iter().map(Vec::as_slice).collect();
            prop_assert!(events(&chunks).is_ok());
        }

        #[test]
        fn what_is_written_as_events_is_read_back(
            payloads in prop::collection::vec("[^\r\n]{1,30}(\n[^\r\n]{0,10}){0,2}", 0..10),
            ending in prop::sample::select(vec!["\n", "\r\n", "\r"]),
        ) {
            let mut text = String::new();
            for payload in &payloads {
                for line in payload.split('\n') {
                    text.push_str(&format!("data: {line}{ending}"));
                }
                text.push_str(ending);
            }
            prop_assert_eq!(events(&[text.as_bytes()]).unwrap(), payloads);
        }
    }
}
