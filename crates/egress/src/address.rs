//! Which addresses a tenant's call may reach: the globally routable ones, and nothing else.
//!
//! The ranges are those of the IANA special-purpose address registries
//! (<https://www.iana.org/assignments/iana-ipv4-special-registry>, `…-ipv6-special-registry`), the clouds' metadata
//! addresses, and for IPv6 everything outside `2000::/3`, the only block handed out for global unicast (RFC 4291).

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{Ipv4Net, Ipv6Net};

/// Why an address is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RefusedRange {
    /// `0.0.0.0/8`, `::` (RFC 1122, RFC 4291).
    Unspecified,
    /// `127.0.0.0/8`, `::1`.
    Loopback,
    /// `10/8`, `172.16/12`, `192.168/16` (RFC 1918), `fc00::/7` (RFC 4193), `fec0::/10` (RFC 3879).
    Private,
    /// `100.64.0.0/10`, carrier-grade NAT (RFC 6598).
    Shared,
    /// `169.254.0.0/16` (RFC 3927), `fe80::/10`.
    LinkLocal,
    /// Where clouds serve their machines' credentials.
    Metadata,
    /// `224.0.0.0/4`, `ff00::/8`.
    Multicast,
    /// `255.255.255.255`.
    Broadcast,
    /// `192.0.2/24`, `198.51.100/24`, `203.0.113/24` (RFC 5737), `2001:db8::/32`, `3fff::/20` (RFC 9637).
    Documentation,
    /// `198.18.0.0/15` (RFC 2544), `2001:2::/48` (RFC 5180).
    Benchmarking,
    /// `192.0.0.0/24`, `2001::/23` and all that is not handed out.
    Reserved,
    /// 6to4, Teredo, IPv4-compatible and local NAT64 addresses: they lead to an IPv4 address somewhere else.
    Transition,
    /// A range that the platform's configuration refuses.
    Configured,
}

impl RefusedRange {
    /// Whether an address of this range stays refused when a *name* of the allow-list resolves to it: only addresses
    /// that ordinary services have are reachable by an allowed name; others must be allowed as literals.
    pub(crate) const fn refused_even_if_named(self) -> bool {
        !matches!(self, Self::Loopback | Self::Private | Self::Shared | Self::Configured)
    }
}

impl fmt::Display for RefusedRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unspecified => "unspecified",
            Self::Loopback => "loopback",
            Self::Private => "private",
            Self::Shared => "carrier-grade nat",
            Self::LinkLocal => "link-local",
            Self::Metadata => "cloud metadata",
            Self::Multicast => "multicast",
            Self::Broadcast => "broadcast",
            Self::Documentation => "documentation",
            Self::Benchmarking => "benchmarking",
            Self::Reserved => "reserved",
            Self::Transition => "ipv6 transition",
            Self::Configured => "refused by the operator",
        })
    }
}

const fn v4(a: u8, b: u8, c: u8, d: u8, prefix: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix)
}

const fn v6(segments: [u16; 8], prefix: u8) -> Ipv6Net {
    let [a, b, c, d, e, f, g, h] = segments;
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, d, e, f, g, h), prefix)
}

/// First match counts, so single addresses stand before the ranges around them.
const REFUSED_V4: &[(Ipv4Net, RefusedRange)] = &[
    (v4(169, 254, 169, 254, 32), RefusedRange::Metadata), // AWS, Azure, Google, DigitalOcean, …
    (v4(169, 254, 170, 2, 32), RefusedRange::Metadata),   // AWS ECS task credentials
    (v4(169, 254, 170, 23, 32), RefusedRange::Metadata),  // AWS EKS pod identity
    (v4(100, 100, 100, 200, 32), RefusedRange::Metadata), // Alibaba Cloud
    (v4(192, 0, 0, 192, 32), RefusedRange::Metadata),     // Oracle Cloud
    (v4(168, 63, 129, 16, 32), RefusedRange::Metadata),   // Azure's host agent, although a public address
    (v4(0, 0, 0, 0, 8), RefusedRange::Unspecified),
    (v4(10, 0, 0, 0, 8), RefusedRange::Private),
    (v4(100, 64, 0, 0, 10), RefusedRange::Shared),
    (v4(127, 0, 0, 0, 8), RefusedRange::Loopback),
    (v4(169, 254, 0, 0, 16), RefusedRange::LinkLocal),
    (v4(172, 16, 0, 0, 12), RefusedRange::Private),
    (v4(192, 0, 0, 0, 24), RefusedRange::Reserved),
    (v4(192, 0, 2, 0, 24), RefusedRange::Documentation),
    (v4(192, 88, 99, 0, 24), RefusedRange::Transition), // 6to4 relays (RFC 7526)
    (v4(192, 168, 0, 0, 16), RefusedRange::Private),
    (v4(198, 18, 0, 0, 15), RefusedRange::Benchmarking),
    (v4(198, 51, 100, 0, 24), RefusedRange::Documentation),
    (v4(203, 0, 113, 0, 24), RefusedRange::Documentation),
    (v4(224, 0, 0, 0, 4), RefusedRange::Multicast),
    (v4(255, 255, 255, 255, 32), RefusedRange::Broadcast),
    (v4(240, 0, 0, 0, 4), RefusedRange::Reserved),
];

const REFUSED_V6: &[(Ipv6Net, RefusedRange)] = &[
    (v6([0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254], 128), RefusedRange::Metadata), // AWS
    (v6([0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254], 128), RefusedRange::Metadata),  // Google
    (v6([0, 0, 0, 0, 0, 0, 0, 0], 128), RefusedRange::Unspecified),
    (v6([0, 0, 0, 0, 0, 0, 0, 1], 128), RefusedRange::Loopback),
    (v6([0, 0, 0, 0, 0, 0, 0, 0], 96), RefusedRange::Transition), // IPv4-compatible (RFC 4291)
    (v6([0, 0, 0, 0, 0xffff, 0, 0, 0], 96), RefusedRange::Transition), // IPv4-translated (RFC 2765)
    (v6([0x64, 0xff9b, 1, 0, 0, 0, 0, 0], 48), RefusedRange::Transition), // local NAT64 (RFC 8215)
    (v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 32), RefusedRange::Transition), // Teredo (RFC 4380)
    (v6([0x2001, 2, 0, 0, 0, 0, 0, 0], 48), RefusedRange::Benchmarking),
    (v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 23), RefusedRange::Reserved),
    (v6([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32), RefusedRange::Documentation),
    (v6([0x2002, 0, 0, 0, 0, 0, 0, 0], 16), RefusedRange::Transition), // 6to4 (RFC 3056)
    (v6([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20), RefusedRange::Documentation),
    (v6([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7), RefusedRange::Private),
    (v6([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10), RefusedRange::LinkLocal),
    (v6([0xfec0, 0, 0, 0, 0, 0, 0, 0], 10), RefusedRange::Private),
    (v6([0xff00, 0, 0, 0, 0, 0, 0, 0], 8), RefusedRange::Multicast),
];

/// Global unicast (RFC 4291 section 2.4).
const GLOBAL_V6: Ipv6Net = v6([0x2000, 0, 0, 0, 0, 0, 0, 0], 3);
/// NAT64's well-known prefix (RFC 6052): the way to IPv4 hosts from networks that have IPv6 alone.
const NAT64: Ipv6Net = v6([0x64, 0xff9b, 0, 0, 0, 0, 0, 0], 96);

/// The refused range `address` is in, or `None` if it is globally reachable.
///
/// IPv4-mapped, NAT64 and ISATAP (RFC 5214) addresses are judged by the IPv4 address they hold.
pub(crate) fn refused_range(address: IpAddr) -> Option<RefusedRange> {
    match address {
        IpAddr::V4(address) => refused_v4(address),
        IpAddr::V6(address) => refused_v6(address),
    }
}

fn refused_v4(address: Ipv4Addr) -> Option<RefusedRange> {
    REFUSED_V4.iter().find(|(net, _)| net.contains(&address)).map(|&(_, range)| range)
}

fn refused_v6(address: Ipv6Addr) -> Option<RefusedRange> {
    let [_, _, _, _, isatap_u, isatap, high, low] = address.segments();
    let embedded = Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low));
    if address.to_ipv4_mapped().is_some() || NAT64.contains(&address) {
        return refused_v4(embedded);
    }
    if let Some(&(_, range)) = REFUSED_V6.iter().find(|(net, _)| net.contains(&address)) {
        return Some(range);
    }
    if !GLOBAL_V6.contains(&address) {
        return Some(RefusedRange::Reserved);
    }
    let is_isatap = isatap == 0x5efe && (isatap_u & !0x0200) == 0;
    if is_isatap { refused_v4(embedded) } else { None }
}

#[cfg(test)]
#[path = "address_tests.rs"]
mod tests;
