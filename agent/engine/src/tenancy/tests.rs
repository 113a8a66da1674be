use std::net::IpAddr;
use std::sync::Arc;

use pidflow_schema::{Endpoint, Pod};

use super::{Tenancies, Tenancy};

const SECOND: u64 = 1_000_000_000;
const ADDRESS: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 1, 0, 5));

/// The pod had the address in these seconds.
fn tenancy(pod: &str, from_s: u64, until_s: Option<u64>) -> Tenancy {
    let named = Pod { namespace: "shop".into(), name: pod.into(), ..Pod::default() };
    let endpoint = Arc::new(Endpoint { pod: Some(Arc::new(named)), ..Endpoint::default() });
    let (from_ns, until_ns) = (from_s * SECOND, until_s.map(|s| s * SECOND));
    Tenancy {
        address: ADDRESS,
        tenant: format!("uid-{pod}").into(),
        endpoint,
        ports: Arc::default(),
        from_ns,
        until_ns,
    }
}

fn of(told: &[Tenancy]) -> Tenancies {
    let mut tenancies = Tenancies::default();
    told.iter().for_each(|t| assert!(tenancies.set(t)));
    tenancies
}

/// The pod of a flow from one second to another.
fn found(tenancies: &Tenancies, first_s: u64, last_s: u64) -> Option<&str> {
    let endpoint = tenancies.find(ADDRESS, (first_s * SECOND, last_s * SECOND))?;
    Some(&*endpoint.pod.as_ref().unwrap().name)
}

#[test]
fn a_flow_belongs_to_the_pod_of_its_time() {
    let book = of(&[tenancy("a", 10, Some(20)), tenancy("b", 30, None)]);
    for (first, last, expected) in [
        (5, 8, None),
        (5, 12, None),
        (10, 10, Some("a")),
        (12, 18, Some("a")),
        (20, 20, Some("a")),
        // The pod ended before its peer gave up; nobody else had the address.
        (15, 25, Some("a")),
        (21, 25, None),
        // It began with one, and another one had the address before it ended.
        (15, 31, None),
        (25, 35, None),
        (30, 31, Some("b")),
        (100, 900, Some("b")),
    ] {
        assert_eq!(found(&book, first, last), expected, "{first} to {last}");
    }
    assert_eq!(book.find("10.1.0.6".parse().unwrap(), (0, 1)), None);
}

#[test]
fn two_at_once_are_none() {
    // The end of the first is reported late: after the second has begun.
    let mut book = of(&[tenancy("a", 10, None), tenancy("b", 30, None)]);
    assert_eq!([found(&book, 20, 29), found(&book, 20, 31), found(&book, 40, 41)], [Some("a"), None, None]);
    book.set(&tenancy("a", 10, Some(33)));
    assert_eq!([found(&book, 20, 29), found(&book, 31, 32), found(&book, 34, 35)], [Some("a"), None, Some("b")]);
}

#[test]
fn a_source_that_lost_its_connection_says_nothing_of_later_flows() {
    let mut book = of(&[tenancy("a", 10, None)]);
    book.set_lost(Some(50 * SECOND));
    assert_eq!([found(&book, 40, 60), found(&book, 50, 50), found(&book, 51, 52)], [Some("a"), Some("a"), None]);
    // While it was away, the pod was deleted, and another one was given the address.
    book.set(&tenancy("a", 10, Some(50)));
    book.set(&tenancy("b", 70, None));
    book.set_lost(None);
    assert_eq!([found(&book, 40, 60), found(&book, 55, 60), found(&book, 75, 76)], [Some("a"), None, Some("b")]);
    // It was there all the time.
    let mut other = of(&[tenancy("a", 10, None)]);
    other.set_lost(Some(50 * SECOND));
    other.set(&tenancy("a", 10, None));
    other.set_lost(None);
    assert_eq!(found(&other, 55, 60), Some("a"));
}

#[test]
fn a_pod_that_gets_its_address_again_did_not_have_it_in_between() {
    let book = of(&[tenancy("a", 10, Some(20)), tenancy("a", 40, None)]);
    assert_eq!([found(&book, 25, 26), found(&book, 41, 42)], [None, Some("a")]);
}

#[test]
fn what_ended_is_kept_until_no_flow_refers_to_it() {
    let mut book = of(&[tenancy("a", 10, Some(20)), tenancy("b", 30, None)]);
    book.expire(20 * SECOND);
    assert_eq!(found(&book, 12, 13), Some("a"));
    book.expire(21 * SECOND);
    assert_eq!([found(&book, 12, 13), found(&book, 31, 32)], [None, Some("b")]);
    book.set(&tenancy("b", 30, Some(40)));
    book.expire(u64::MAX);
    assert!(book.is_empty());
    assert_eq!(book.bytes(), 0);
}

#[test]
fn memory_is_bounded_and_what_has_no_room_is_not_mixed_up() {
    let mut book = of(&[tenancy("a", 10, None)]);
    book.limit_bytes(2 * book.bytes() - 1);
    assert!(!book.set(&tenancy("b", 30, None)));
    assert_eq!([found(&book, 12, 13), found(&book, 31, 32)], [Some("a"), None]);
    assert_eq!((book.dropped(), book.len()), (1, 1));
    // Ten thousand pods, each of which replaces another ten times.
    let mut churned = Tenancies::default();
    for n in 0..100_000_u64 {
        let octets = u32::try_from(n % 10_000).unwrap().to_be_bytes();
        let address = IpAddr::from([10, octets[1], octets[2], octets[3]]);
        churned.set(&Tenancy { address, ..tenancy(&n.to_string(), n, Some(n + 5000)) });
        if n % 1000 == 0 {
            churned.expire(n.saturating_sub(60) * SECOND);
        }
    }
    assert!(churned.bytes() <= super::MAX_TENANCY_BYTES && churned.dropped() == 0, "{}", churned.bytes());
    assert!(churned.bytes() < 6000 * 1000, "{}", churned.bytes());
}

#[test]
fn several_may_have_ports_of_an_address() {
    let service = |name: &str, ports: &[(u8, u16)], from_s| {
        let endpoint = Arc::new(Endpoint { backs: name.into(), ..Endpoint::default() });
        Tenancy { endpoint, ports: ports.into(), ..tenancy(name, from_s, None) }
    };
    let mut book = of(&[
        service("web", &[(6, 80), (6, 443)], 10),
        service("canary", &[(6, 80)], 20),
        service("dns", &[(17, 0)], 10),
        service("headless", &[], 10),
    ]);
    let at = |book: &Tenancies, protocol, port, second: u64| {
        let all = book.find_port((ADDRESS, protocol, port), (second * SECOND, (second + 1) * SECOND));
        all.map(|endpoint| endpoint.backs.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(at(&book, 6, 80, 30), ["web", "canary"]);
    assert_eq!(at(&book, 6, 80, 15), ["web"], "before the other one was there");
    assert_eq!(at(&book, 6, 443, 30), ["web"]);
    assert_eq!(at(&book, 17, 53, 30), ["dns"]);
    assert_eq!([at(&book, 6, 40_000, 30), at(&book, 17, 53, 5)], [vec![], Vec::<String>::new()]);
    book.set(&Tenancy { until_ns: Some(40 * SECOND), ..service("web", &[(6, 80), (6, 443)], 10) });
    book.set_lost(Some(50 * SECOND));
    assert_eq!(
        [at(&book, 6, 80, 39), at(&book, 6, 80, 45), at(&book, 6, 80, 51)],
        [vec!["web", "canary"], vec!["canary"], vec![]]
    );
}
