use std::net::{Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;
use url::{Host, Url};

use super::*;

/// The address a URL's host names, if the URL is one and the host is a literal.
fn literal(host: &str) -> Option<IpAddr> {
    match Url::parse(&format!("http://{host}/")).ok()?.host()? {
        Host::Ipv4(address) => Some(address.into()),
        Host::Ipv6(address) => Some(address.into()),
        Host::Domain(_) => None,
    }
}

#[test]
fn every_spelling_of_a_refused_address_is_refused() {
    use RefusedRange::*;
    let table = [
        // 169.254.169.254
        ("169.254.169.254", Metadata),
        ("169.254.169.254.", Metadata),
        ("169.254.43518", Metadata),
        ("169.16689662", Metadata),
        ("2852039166", Metadata),
        ("0xa9fea9fe", Metadata),
        ("0XA9FEA9FE", Metadata),
        ("0xa9.0xfe.0xa9.0xfe", Metadata),
        ("0xa9.254.0251.0xfe", Metadata),
        ("0251.0376.0251.0376", Metadata),
        ("00000251.00000376.000251.0000376", Metadata),
        ("025177524776", Metadata),
        ("0xA9.0xFE.43518", Metadata),
        ("169.254.169.0376", Metadata),
        ("%31%36%39.254.169.254", Metadata),
        ("169%2e254%2e169%2e254", Metadata),
        ("１６９.２５４.１６９.２５４", Metadata),
        ("①⑥⑨.②⑤④.①⑥⑨.②⑤④", Metadata),
        ("169。254。169。254", Metadata),
        ("169．254．169．254", Metadata),
        ("169.254.169｡254", Metadata),
        ("user@169.254.169.254", Metadata),
        ("public.example@169.254.169.254", Metadata),
        ("public.example:80@169.254.169.254", Metadata),
        ("public.example%2f@169.254.169.254", Metadata),
        ("169.254.169.254:80", Metadata),
        ("[::ffff:169.254.169.254]", Metadata),
        ("[::ffff:a9fe:a9fe]", Metadata),
        ("[0:0:0:0:0:ffff:a9fe:a9fe]", Metadata),
        ("[::FFFF:A9FE:A9FE]", Metadata),
        ("[::a9fe:a9fe]", Transition),
        ("[::169.254.169.254]", Transition),
        ("[64:ff9b::169.254.169.254]", Metadata),
        ("[64:ff9b::a9fe:a9fe]", Metadata),
        ("[64:ff9b:1::a9fe:a9fe]", Transition),
        ("[2002:a9fe:a9fe::1]", Transition),
        ("[2001:0:a9fe:a9fe::1]", Transition),
        ("[2001:0:4136:e378:8000:63bf:5601:5601]", Transition),
        ("[::ffff:0:a9fe:a9fe]", Transition),
        ("[2600::5efe:a9fe:a9fe]", Metadata),
        ("[2600::200:5efe:a9fe:a9fe]", Metadata),
        ("[fd00:ec2::254]", Metadata),
        ("[fd00:0ec2:0::0254]", Metadata),
        ("[fd20:ce::254]", Metadata),
        ("100.100.100.200", Metadata),
        ("192.0.0.192", Metadata),
        ("168.63.129.16", Metadata),
        ("169.254.170.2", Metadata),
        // Loopback
        ("127.0.0.1", Loopback),
        ("127.1", Loopback),
        ("127.0.1", Loopback),
        ("2130706433", Loopback),
        ("0x7f.1", Loopback),
        ("0x7f000001", Loopback),
        ("017700000001", Loopback),
        ("0177.0.0.01", Loopback),
        ("127.255.255.254", Loopback),
        ("[::1]", Loopback),
        ("[0:0:0:0:0:0:0:1]", Loopback),
        ("[0000::0001]", Loopback),
        ("[::ffff:127.0.0.1]", Loopback),
        ("[64:ff9b::7f00:1]", Loopback),
        // Unspecified
        ("0", Unspecified),
        ("0.0.0.0", Unspecified),
        ("0x0", Unspecified),
        ("0.1.2.3", Unspecified),
        ("[::]", Unspecified),
        ("[::ffff:0:0]", Unspecified),
        // Private, shared, link-local
        ("10.0.0.1", Private),
        ("10.1", Private),
        ("0xa000001", Private),
        ("172.16.0.1", Private),
        ("172.31.255.255", Private),
        ("192.168.1.1", Private),
        ("3232235777", Private),
        ("[::ffff:10.0.0.1]", Private),
        ("[64:ff9b::10.0.0.1]", Private),
        ("[fc00::1]", Private),
        ("[fdff::1]", Private),
        ("[fec0::1]", Private),
        ("100.64.0.1", Shared),
        ("100.127.255.255", Shared),
        ("169.254.0.1", LinkLocal),
        ("[fe80::1]", LinkLocal),
        ("[febf::1]", LinkLocal),
        // The rest of the registries
        ("224.0.0.1", Multicast),
        ("239.255.255.255", Multicast),
        ("[ff02::1]", Multicast),
        ("255.255.255.255", Broadcast),
        ("4294967295", Broadcast),
        ("240.0.0.1", Reserved),
        ("192.0.0.9", Reserved),
        ("192.0.2.1", Documentation),
        ("198.51.100.1", Documentation),
        ("203.0.113.1", Documentation),
        ("[2001:db8::1]", Documentation),
        ("[3fff::1]", Documentation),
        ("198.18.0.1", Benchmarking),
        ("198.19.255.255", Benchmarking),
        ("[2001:2::1]", Benchmarking),
        ("192.88.99.1", Transition),
        ("[2001:10::1]", Reserved),
        ("[2001:20::1]", Reserved),
        ("[100::1]", Reserved),
        ("[5f00::1]", Reserved),
        ("[4000::1]", Reserved),
        ("[200::1]", Reserved),
    ];
    assert!(table.len() >= 60);
    for (host, range) in table {
        let address = literal(host).unwrap_or_else(|| panic!("{host} is not read as an address"));
        assert_eq!(refused_range(address), Some(range), "{host} is {address}");
    }
}

#[test]
fn what_is_no_valid_host_never_becomes_an_address() {
    for host in [
        "169.254.169.254.254",
        "256.256.256.256",
        "0x1ffffffff",
        "169.254.169.999999",
        "1.2.3.4.5",
        "127.0.0.1.0x",
        "09.1.1.1",
        "[fe80::1%eth0]",
        "[fe80::1%25eth0]",
        "[::1",
        "::1",
        "[::ffff:169.254.169]",
        "[::ffff:0xa9.254.169.254]",
        "a b",
        "%00127.0.0.1",
        "127.0.0.1%00.public.example",
    ] {
        let parsed = Url::parse(&format!("http://{host}/"));
        assert!(parsed.is_err(), "{host}: {parsed:?}");
    }
}

#[test]
fn public_addresses_are_not_refused() {
    for host in [
        "1.1.1.1",
        "8.8.8.8",
        "134744072",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "126.255.255.255",
        "128.0.0.0",
        "169.253.255.255",
        "169.255.0.0",
        "172.15.255.255",
        "172.32.0.0",
        "192.0.1.0",
        "192.167.255.255",
        "192.169.0.0",
        "198.17.255.255",
        "198.20.0.0",
        "223.255.255.255",
        "[2606:4700:4700::1111]",
        "[2001:4860:4860::8888]",
        "[2001:200::1]",
        "[::ffff:8.8.8.8]",
        "[64:ff9b::8.8.8.8]",
        "[2600::5efe:808:808]",
        "[3ffe::1]",
    ] {
        let address = literal(host).unwrap();
        assert_eq!(refused_range(address), None, "{host}");
    }
}

/// Written down a second time, from RFC 6890 and its successors, so that a slip in the table above shows.
fn refused_by_hand(address: Ipv4Addr) -> bool {
    match address.octets() {
        [0 | 10 | 127, ..] | [224..=255, ..] | [169, 254, ..] | [192, 168, ..] => true,
        [100, b, ..] => (64..=127).contains(&b),
        [172, b, ..] => (16..=31).contains(&b),
        [192, 0, 0 | 2, _] | [192, 88, 99, _] | [198, 18 | 19, ..] | [198, 51, 100, _] | [203, 0, 113, _] => true,
        [168, 63, 129, 16] => true,
        _ => false,
    }
}

/// An IPv4 address, often at the border of a refused range.
fn any_v4() -> impl Strategy<Value = Ipv4Addr> {
    let border = (0..REFUSED_V4.len(), 0..4u8, any::<u32>()).prop_map(|(index, place, random)| {
        let net = REFUSED_V4[index].0;
        let (first, last) = (net.network().to_bits(), net.broadcast().to_bits());
        Ipv4Addr::from_bits(match place {
            0 => first.wrapping_sub(1),
            1 => last.wrapping_add(1),
            _ => first + (u64::from(random) % (u64::from(last - first) + 1)) as u32,
        })
    });
    prop_oneof![border, any::<u32>().prop_map(Ipv4Addr::from_bits)]
}

/// One of the ways to write an IPv4 address in a URL.
fn spell(address: Ipv4Addr, style: u8) -> String {
    let bits = address.to_bits();
    let [a, b, c, d] = address.octets();
    let (high, low) = (bits >> 16, bits & 0xffff);
    match style % 16 {
        0 => address.to_string(),
        1 => bits.to_string(),
        2 => format!("{bits:#x}"),
        3 => format!("0{bits:o}"),
        4 => format!("{a:#x}.{b:#x}.{c:#x}.{d:#x}"),
        5 => format!("0{a:o}.0{b:o}.0{c:o}.0{d:o}"),
        6 => format!("{a}.{b}.{low}"),
        7 => format!("{a}.{}", bits & 0xff_ffff),
        8 => format!("{a:#X}.{b}.0{c:o}.{d}."),
        9 => address.to_string().chars().map(|c| format!("%{:02x}", c as u32)).collect(),
        10 => address.to_string().chars().map(|c| char::from_u32(c as u32 + 0xfee0).unwrap()).collect(),
        11 => format!("user:pw@{address}"),
        12 => format!("[::ffff:{address}]"),
        13 => format!("[64:ff9b::{high:x}:{low:x}]"),
        14 => format!("[0:0:0:0:0:FFFF:{high:X}:{low:X}]"),
        _ => format!("[2a00::5efe:{high:x}:{low:x}]"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn every_spelling_is_judged_as_the_address_it_means(address in any_v4(), style in any::<u8>()) {
        let host = spell(address, style);
        let read = literal(&host).unwrap_or_else(|| panic!("{host} is not read as an address"));
        prop_assert_eq!(refused_range(read).is_some(), refused_by_hand(address), "{}", host);
    }

    #[test]
    fn only_global_unicast_ipv6_passes(bits in any::<u128>()) {
        let address = Ipv6Addr::from_bits(bits);
        if refused_range(address.into()).is_none() {
            prop_assert!(address.segments()[0] >> 13 == 1 || address.to_ipv4_mapped().is_some() || NAT64.contains(&address));
        }
    }

    #[test]
    fn all_of_each_refused_ipv6_range_is_refused(index in 0..REFUSED_V6.len(), random in any::<u128>()) {
        let net = REFUSED_V6[index].0;
        let address = Ipv6Addr::from_bits(net.network().to_bits() | (random & net.hostmask().to_bits()));
        let host = format!("[{address}]");
        // ::ffff:0:0/96 lies outside ::/96, so nothing here is judged by an embedded address but NAT64's neighbours.
        prop_assert!(refused_range(literal(&host).unwrap()).is_some(), "{}", host);
    }

    #[test]
    fn no_host_text_slips_past(host in "[0-9a-fA-FxX.:%\\[\\]。１-９]{1,24}") {
        if let Some(IpAddr::V4(address)) = literal(&host) {
            prop_assert_eq!(refused_range(address.into()).is_some(), refused_by_hand(address));
        }
    }
}
