//! The records in the stream of bytes that Ceph's gateway writes to its ops-log socket.
//!
//! Seen with RADOS Gateway 16.2 (and as `OpsLogSocket` in Ceph's `rgw_log.cc` has it): after an opening
//! bracket one JSON object for each request, a comma and a newline after each, and never a closing
//! bracket. A client's own bytes (its user agent) go into the strings as they are, UTF-8 or not; there is
//! never a newline in a record. So at a newline reading begins anew, and what was cut short loses itself
//! and not its neighbours.

/// The largest record that is taken. Real ones have some hundred bytes and a request line, which the
/// gateway bounds.
pub const LARGEST_OPS_LOG_RECORD: usize = 256 << 10;

/// Splits the stream, however it is cut into reads. Holds at most one record.
///
/// ```
/// use compliance::event::{OpsLogStream, Piece};
/// let mut stream = OpsLogStream::default();
/// let mut records = Vec::new();
/// for read in [&b"[{\"bucket\":\"b\",\"user_agent\":\"}\"}"[..], b",\n{\"buck", b"et\":\"c\"},\n"] {
///     stream.push(read, |piece| match piece {
///         Piece::Record(text) => records.push(text.into_owned()),
///         Piece::Dropped(_) => unreachable!("all of it is records"),
///     });
/// }
/// assert_eq!(records, [r#"{"bucket":"b","user_agent":"}"}"#, r#"{"bucket":"c"}"#]);
/// ```
#[derive(Clone, Debug, Default)]
pub struct OpsLogStream {
    record: Vec<u8>,
    at: Place,
    /// How many brackets of the record are open.
    depth: usize,
    dropped: u64,
}

/// Where the reading stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    /// Between records.
    #[default]
    Between,
    /// In something that is no record, up to the end of the line.
    Dropping,
    /// In a record.
    Inside,
    /// In a string of it.
    String,
    /// After a backslash in a string of it.
    Escape,
}

/// What was found in the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// A whole record, for [`super::read_ops_log`]. Bytes that are no UTF-8 are replaced.
    Record(std::borrow::Cow<'a, str>),
    /// So many bytes in a row that are no record.
    Dropped(u64),
}

impl OpsLogStream {
    /// Takes what was read, and gives out the pieces that it ends.
    pub fn push(&mut self, bytes: &[u8], mut piece: impl FnMut(Piece<'_>)) {
        for byte in bytes {
            self.byte(*byte, &mut piece);
        }
    }

    /// The stream has ended: what is left is no record.
    pub fn finish(&mut self, mut piece: impl FnMut(Piece<'_>)) {
        self.drop_record();
        self.tell_dropped(&mut piece);
        *self = OpsLogStream::default();
    }

    fn byte(&mut self, byte: u8, piece: &mut impl FnMut(Piece<'_>)) {
        match self.at {
            Place::Between => match byte {
                b'{' => {
                    self.at = Place::Inside;
                    self.depth = 0;
                    self.inside(byte, piece);
                }
                b'[' | b']' | b',' | b' ' | b'\t' | b'\r' | b'\n' => {}
                _ => {
                    self.at = Place::Dropping;
                    self.dropping(byte, piece);
                }
            },
            Place::Dropping => self.dropping(byte, piece),
            Place::Inside | Place::String | Place::Escape if byte == b'\n' => {
                self.drop_record();
                self.dropping(byte, piece);
            }
            Place::Inside => self.inside(byte, piece),
            Place::String => {
                self.record.push(byte);
                match byte {
                    b'"' => self.at = Place::Inside,
                    b'\\' => self.at = Place::Escape,
                    _ => {}
                }
            }
            Place::Escape => {
                self.record.push(byte);
                self.at = Place::String;
            }
        }
        if self.record.len() > LARGEST_OPS_LOG_RECORD {
            self.drop_record();
        }
    }

    fn dropping(&mut self, byte: u8, piece: &mut impl FnMut(Piece<'_>)) {
        self.dropped += 1;
        if byte == b'\n' {
            self.tell_dropped(piece);
            self.at = Place::Between;
        }
    }

    /// Only the end is looked for; whether it is JSON is for the one who reads it.
    fn inside(&mut self, byte: u8, piece: &mut impl FnMut(Piece<'_>)) {
        self.record.push(byte);
        match byte {
            b'"' => self.at = Place::String,
            b'{' | b'[' => self.depth += 1,
            b'}' | b']' => self.depth -= 1,
            _ => return,
        }
        if self.depth == 0 {
            piece(Piece::Record(String::from_utf8_lossy(&self.record)));
            self.record.clear();
            self.at = Place::Between;
        }
    }

    /// What was read of the record is none; the rest of its line goes too.
    fn drop_record(&mut self) {
        self.dropped += self.record.len() as u64;
        // A large one is not to stay as memory.
        self.record = Vec::new();
        self.at = Place::Dropping;
    }

    fn tell_dropped(&mut self, piece: &mut impl FnMut(Piece<'_>)) {
        if self.dropped > 0 {
            piece(Piece::Dropped(self.dropped));
            self.dropped = 0;
        }
    }
}
