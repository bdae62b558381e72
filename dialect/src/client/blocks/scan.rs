//! Where a JSON object ends.

/// Finds the end of a JSON object that comes in pieces.
#[derive(Debug, Default)]
pub(super) struct ObjectScan {
    depth: u32,
    in_string: bool,
    escaped: bool,
    /// What came first was no object: its end is not known.
    lost: bool,
    whole: bool,
}

impl ObjectScan {
    /// Whether the last brace has come.
    pub(super) fn is_whole(&self) -> bool {
        self.whole
    }

    /// Reads the next piece.
    pub(super) fn feed(&mut self, text: &str) {
        for byte in text.bytes() {
            if self.whole || self.lost {
                return;
            }
            self.byte(byte);
        }
    }

    fn byte(&mut self, byte: u8) {
        if self.in_string {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' => self.escaped = true,
                b'"' => self.in_string = false,
                _ => {}
            }
            return;
        }
        match byte {
            b'{' | b'[' if self.depth > 0 || byte == b'{' => {
                self.depth = self.depth.saturating_add(1);
            }
            b'}' | b']' if self.depth > 0 => {
                self.depth -= 1;
                self.whole = self.depth == 0;
            }
            b'"' if self.depth > 0 => self.in_string = true,
            b' ' | b'\n' | b'\r' | b'\t' => {}
            _ if self.depth == 0 => self.lost = true,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_whole_with_its_last_brace_and_not_before() {
        let text = r#" {"a":"}\"{","b":[{"c":{}}]}"#;
        let mut scan = ObjectScan::default();
        let (last, head) = text.as_bytes().split_last().unwrap();
        for byte in head {
            scan.byte(*byte);
            assert!(!scan.is_whole());
        }
        scan.byte(*last);
        assert!(scan.is_whole());
    }

    #[test]
    fn what_is_no_object_has_no_end() {
        let mut scan = ObjectScan::default();
        scan.feed("12 {}");
        assert!(!scan.is_whole());
    }
}
