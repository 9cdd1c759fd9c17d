//! Gzip, with a bound on what it may become.

use std::io::Read;

use flate2::read::MultiGzDecoder;

/// Whether the bytes are gzip (RFC 1952 starts every member with these two).
pub(crate) fn is_gzip(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0x1f, 0x8b])
}

/// Decompresses all members, up to `limit` bytes.
pub(crate) fn decompress(bytes: &[u8], limit: u64) -> Result<Vec<u8>, String> {
    let mut out = Vec::new();
    let mut decoder = MultiGzDecoder::new(bytes).take(limit.saturating_add(1));
    decoder.read_to_end(&mut out).map_err(|why| {
        format!("the gzip data is damaged or cut short ({why}); fetch the file again")
    })?;
    if out.len() as u64 > limit {
        return Err(format!(
            "the gzip data grows beyond {limit} bytes; raise --max-size if you trust the file"
        ));
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::io::Write;

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        out.write_all(bytes).unwrap();
        out.finish().unwrap()
    }

    #[test]
    fn members_follow_each_other() {
        let mut bytes = gzip(b"[1,");
        bytes.extend(gzip(b"2]"));
        assert!(is_gzip(&bytes));
        assert_eq!(decompress(&bytes, 100).unwrap(), b"[1,2]");
    }

    #[test]
    fn a_bomb_stops_at_the_limit() {
        let bytes = gzip(&vec![b' '; 10_000_000]);
        assert!(bytes.len() < 100_000);
        assert!(
            decompress(&bytes, 1_000_000)
                .unwrap_err()
                .contains("grows beyond")
        );
        assert!(decompress(&bytes, 10_000_000).is_ok());
    }

    #[test]
    fn a_cut_file_is_said_to_be_cut() {
        let bytes = gzip(b"{\"fileVersion\": \"1.0\"}");
        let cut = &bytes[..bytes.len() - 9];
        assert!(decompress(cut, 100).unwrap_err().contains("cut short"));
    }
}
