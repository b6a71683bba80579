//! Which addresses are public.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

/// What an address is, if it is not a public one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Range {
    /// `0.0.0.0/8`, `::`: this host, this network.
    This,
    /// `127.0.0.0/8`, `::1`.
    Loopback,
    /// `10.0.0.0/8`, `172.16.0.0/12`, `192.168.0.0/16`.
    Private,
    /// `100.64.0.0/10`: carriers and clouds.
    Shared,
    /// `169.254.0.0/16`, `fe80::/10`: neighbours, metadata services.
    LinkLocal,
    /// `192.0.0.0/24`, `2001::/23`, `5f00::/16`, `100::/64`: for protocols.
    Protocol,
    /// `192.0.2.0/24`, `198.51.100.0/24`, `203.0.113.0/24`, `2001:db8::/32`, `3fff::/20`.
    Documentation,
    /// `198.18.0.0/15`.
    Benchmark,
    /// `224.0.0.0/4`, `ff00::/8`.
    Multicast,
    /// `240.0.0.0/4`, and every IPv6 address outside `2000::/3` that is nothing else.
    Reserved,
    /// `255.255.255.255`.
    Broadcast,
    /// `fc00::/7`.
    UniqueLocal,
    /// `fec0::/10`.
    SiteLocal,
    /// Carries an IPv4 address through a mechanism that is no longer in use: IPv4-compatible, 6to4 (also its relays,
    /// `192.88.99.0/24`), Teredo, and NAT64 for local use.
    Transition,
    /// `168.63.129.16`: a public address that one cloud answers for inside its own network.
    Platform,
    /// An address of this machine.
    Own,
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Range::This => "an address of this host or network",
            Range::Loopback => "a loopback address",
            Range::Private => "a private address",
            Range::Shared => "an address shared within a carrier or a cloud",
            Range::LinkLocal => "a link-local address",
            Range::Protocol => "an address for protocols",
            Range::Documentation => "an address for documentation",
            Range::Benchmark => "an address for benchmarks",
            Range::Multicast => "a multicast address",
            Range::Reserved => "a reserved address",
            Range::Broadcast => "the broadcast address",
            Range::UniqueLocal => "a unique local address",
            Range::SiteLocal => "a site-local address",
            Range::Transition => "an address of a transition mechanism",
            Range::Platform => "an address of a cloud platform",
            Range::Own => "an address of this machine",
        })
    }
}

/// Why an address is denied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Denied {
    /// What it is.
    pub range: Range,
    /// The IPv4 address inside the IPv6 one that `range` speaks of.
    pub inside: Option<Ipv4Addr>,
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.inside {
            Some(inside) => write!(f, "{inside} in another form, {}", self.range),
            None => self.range.fmt(f),
        }
    }
}

/// Why `address` may not be asked; `None` if it is a public one. `own` are public addresses of this machine.
pub fn denied(address: IpAddr, own: &[IpAddr]) -> Option<Denied> {
    let plain = |range| Denied { range, inside: None };
    if own.contains(&address) {
        return Some(plain(Range::Own));
    }
    let IpAddr::V6(v6) = address else {
        let IpAddr::V4(v4) = address else { return None };
        return range_v4(v4).map(plain);
    };
    let ours = |v4: Ipv4Addr| own.contains(&IpAddr::V4(v4)).then_some(Range::Own);
    match inside(v6) {
        // The same host by another name: what holds for the one holds for the other.
        Some((v4, true)) => ours(v4).or_else(|| range_v4(v4)).map(|range| Denied { range, inside: Some(v4) }),
        Some((v4, false)) => {
            let range = ours(v4).or_else(|| range_v4(v4)).unwrap_or(Range::Transition);
            Some(Denied { range, inside: Some(v4) })
        }
        None => range_v6(v6).map(plain),
    }
}

fn range_v4(address: Ipv4Addr) -> Option<Range> {
    Some(match address.octets() {
        [0, ..] => Range::This,
        [127, ..] => Range::Loopback,
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => Range::Private,
        [100, 64..=127, ..] => Range::Shared,
        [169, 254, ..] => Range::LinkLocal,
        [192, 0, 0, _] => Range::Protocol,
        [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => Range::Documentation,
        [192, 88, 99, _] => Range::Transition,
        [198, 18..=19, ..] => Range::Benchmark,
        [168, 63, 129, 16] => Range::Platform,
        [255, 255, 255, 255] => Range::Broadcast,
        [224..=239, ..] => Range::Multicast,
        [240..=255, ..] => Range::Reserved,
        _ => return None,
    })
}

/// The IPv4 address that an IPv6 address carries, and whether the form is one that is in use.
fn inside(address: Ipv6Addr) -> Option<(Ipv4Addr, bool)> {
    let octets = address.octets();
    let v4 = |at: usize| Ipv4Addr::new(octets[at], octets[at + 1], octets[at + 2], octets[at + 3]);
    match address.segments() {
        [0, 0, 0, 0, 0, 0xffff, ..] => Some((v4(12), true)),
        // IPv4-translated (RFC 2765): `::ffff:0:a.b.c.d`.
        [0, 0, 0, 0, 0xffff, 0, ..] => Some((v4(12), false)),
        [0x64, 0xff9b, 0, 0, 0, 0, ..] => Some((v4(12), true)),
        // NAT64 for local use (RFC 8215): where the address stands in it is each network's own choice.
        [0x64, 0xff9b, 1, ..] => Some((v4(12), false)),
        [0, 0, 0, 0, 0, 0, high, low] if high != 0 || low > 1 => Some((v4(12), false)),
        [0x2002, ..] => Some((v4(2), false)),
        [0x2001, 0, ..] => {
            let client = Ipv4Addr::from(u32::from(v4(12)) ^ u32::MAX);
            // A private server is as bad as a private client.
            Some((if range_v4(client).is_none() { v4(4) } else { client }, false))
        }
        _ => None,
    }
}

fn range_v6(address: Ipv6Addr) -> Option<Range> {
    Some(match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0] => Range::This,
        [0, 0, 0, 0, 0, 0, 0, 1] => Range::Loopback,
        [0x100, 0, 0, 0, ..] | [0x5f00, ..] => Range::Protocol,
        [0x2001, 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => Range::Documentation,
        [0x2001, 0..=0x1ff, ..] => Range::Protocol,
        [first, ..] => match first {
            0x2000..=0x3fff => return None,
            0xfc00..=0xfdff => Range::UniqueLocal,
            0xfe80..=0xfebf => Range::LinkLocal,
            0xfec0..=0xfeff => Range::SiteLocal,
            0xff00..=0xffff => Range::Multicast,
            _ => Range::Reserved,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(text: &str) -> Option<Range> {
        denied(text.parse().unwrap(), &["93.184.216.34".parse().unwrap()]).map(|denied| denied.range)
    }

    #[test]
    fn public_addresses_are_public() {
        for text in [
            "1.1.1.1",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.0",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "2606:4700::1111",
            "2a00:1450:4001::1",
            "2001:200::1",
            "2001:4860:4860::8888",
            "3ffe::1",
            "::ffff:1.1.1.1",
            "64:ff9b::1.1.1.1",
        ] {
            assert_eq!(range(text), None, "{text}");
        }
    }

    #[test]
    fn every_other_address_has_a_reason() {
        use Range::*;
        for (wanted, texts) in [
            (This, &["0.0.0.0", "0.255.255.255", "::", "::ffff:0.0.0.0"][..]),
            (
                Loopback,
                &[
                    "127.0.0.1",
                    "127.255.255.255",
                    "::1",
                    "::ffff:127.0.0.1",
                    "::127.0.0.1",
                    "64:ff9b::7f00:1",
                    "2002:7f00:1::",
                ],
            ),
            (
                Loopback,
                &[
                    "2001:0:102:304::80ff:fffe",
                    "2001:0:7f00:1::fefe:fefe",
                    "::ffff:0:127.0.0.1",
                    "64:ff9b:1::127.0.0.1",
                ],
            ),
            (
                Private,
                &[
                    "10.0.0.1",
                    "172.16.0.1",
                    "172.31.255.255",
                    "192.168.1.1",
                    "::ffff:10.0.0.1",
                    "64:ff9b::a00:1",
                    "2002:a00:1::1",
                ],
            ),
            (Shared, &["100.64.0.0", "100.100.100.200", "100.127.255.255"]),
            (
                LinkLocal,
                &["169.254.169.254", "169.254.0.0", "fe80::1", "febf::1", "::ffff:a9fe:a9fe", "64:ff9b::a9fe:a9fe"],
            ),
            (Protocol, &["192.0.0.192", "100::1", "5f00::1", "2001:2::1", "2001:10::1", "2001:1ff::1"]),
            (Documentation, &["192.0.2.1", "198.51.100.1", "203.0.113.1", "2001:db8::1", "3fff::1", "3fff:fff::1"]),
            (Benchmark, &["198.18.0.1", "198.19.255.255"]),
            (Multicast, &["224.0.0.1", "239.255.255.255", "ff02::1"]),
            (Reserved, &["240.0.0.1", "255.255.255.254", "4000::1", "1::1", "fe00::1", "200::1", "100:0:0:1::1"]),
            (Broadcast, &["255.255.255.255"]),
            (UniqueLocal, &["fc00::1", "fd00:ec2::254", "fdff::1"]),
            (SiteLocal, &["fec0::1", "feff::1"]),
            (
                Transition,
                &["192.88.99.1", "2002:101:101::1", "2001:0:101:101::fefe:fefe", "::1.1.1.1", "64:ff9b:1::1.1.1.1"],
            ),
            (Platform, &["168.63.129.16", "::ffff:168.63.129.16"]),
            (Own, &["93.184.216.34", "::ffff:93.184.216.34", "2002:5db8:d822::1"]),
        ] {
            for text in texts {
                assert_eq!(range(text), Some(wanted), "{text}");
            }
        }
    }

    #[test]
    fn the_address_inside_is_named() {
        let denied = denied("64:ff9b::a9fe:a9fe".parse().unwrap(), &[]).unwrap();
        assert_eq!(denied.to_string(), "169.254.169.254 in another form, a link-local address");
    }
}
