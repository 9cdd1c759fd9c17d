//! `cidr`: blocks of IP addresses. IPv4 blocks hold IPv4 addresses, IPv6 blocks IPv6 addresses.

use std::net::IpAddr;

/// A block of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Block {
    first: IpAddr,
    bits: u8,
}

impl Block {
    /// Reads `10.0.0.0/24`. Bits of the address beyond the block do not count.
    pub(super) fn parse(text: &str) -> Option<Block> {
        let (address, bits) = text.split_once('/')?;
        // "+8" is a number for Rust.
        if bits.is_empty() || bits.len() > 3 || !bits.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let address: IpAddr = address.parse().ok()?;
        let bits: u8 = bits.parse().ok()?;
        (bits <= width(address)).then(|| Block {
            first: masked(address, bits),
            bits,
        })
    }

    pub(super) fn first(&self) -> IpAddr {
        self.first
    }

    pub(super) fn bits(&self) -> u8 {
        self.bits
    }

    /// Whether a text is an address of the block.
    pub(super) fn contains(&self, text: &str) -> bool {
        text.parse::<IpAddr>().is_ok_and(|address| {
            address.is_ipv4() == self.first.is_ipv4() && masked(address, self.bits) == self.first
        })
    }
}

fn width(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

/// The first address of the block of that size that an address is in.
pub(super) fn masked(address: IpAddr, bits: u8) -> IpAddr {
    let bits = u32::from(bits);
    match address {
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(32 - bits).unwrap_or(0);
            IpAddr::V4((v4.to_bits() & mask).into())
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(128 - bits).unwrap_or(0);
            IpAddr::V6((v6.to_bits() & mask).into())
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::Block;

    #[test]
    fn blocks_hold_their_addresses() {
        let contains = |block, address| Block::parse(block).unwrap().contains(address);
        assert!(contains("10.0.0.0/24", "10.0.0.255"));
        assert!(!contains("10.0.0.0/24", "10.0.1.0"));
        assert!(contains("10.0.0.7/24", "10.0.0.1"));
        assert!(contains("0.0.0.0/0", "255.255.255.255"));
        assert!(!contains("0.0.0.0/0", "::1"));
        assert!(contains("192.0.2.1/32", "192.0.2.1"));
        assert!(contains("2001:db8::/32", "2001:0DB8:ffff::1"));
        assert!(!contains("2001:db8::/32", "2001:db9::"));
        assert!(contains("::/0", "::ffff:10.0.0.1"));
        assert!(!contains("10.0.0.0/8", "10.0.0.1.example"));
    }

    #[test]
    fn other_texts_are_no_blocks() {
        for text in [
            "",
            "10.0.0.0",
            "10.0.0.0/33",
            "::/129",
            "10.0.0/8",
            "10.0.0.0/",
            "10.0.0.0/+8",
            "10.0.0.0/8/8",
            "host/8",
        ] {
            assert_eq!(Block::parse(text), None, "{text}");
        }
    }
}
