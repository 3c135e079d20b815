use super::*;

#[test]
fn mixes_come_in_their_shares() {
    let mix = Mix::parse("get=90,set=10,incr=0").unwrap();
    let mut prng = Prng::new(1);
    let mut gets = 0;
    for _ in 0..20_000 {
        match mix.draw(&mut prng) {
            Kind::Get => gets += 1,
            Kind::Set => {}
            other => panic!("{other:?} has no share"),
        }
    }
    assert!((17_700..18_300).contains(&gets), "{gets} of 20000");
    assert_eq!(mix.text(), "get=90,set=10,incr=0");
}

#[test]
fn what_is_no_mix_is_told_exactly() {
    for (text, why) in [
        ("get", "`get`: expected KIND=SHARE"),
        ("put=1", "`put`: expected one of get, set, insert, incr, del, scan, rmw"),
        ("get=x", "`x`: expected a share from 0 to 1000000"),
        ("get=-1", "`-1`: expected a share from 0 to 1000000"),
        ("get=1,set=1,get=1", "part 3 is there already, expected each once"),
        ("get=0,set=0", "all shares are 0, expected at least one above"),
        ("", "``: expected KIND=SHARE"),
    ] {
        assert_eq!(Mix::parse(text).unwrap_err(), why, "{text}");
    }
}

#[test]
fn sizes_are_fixed_ranged_or_listed() {
    let mut prng = Prng::new(2);
    let mut seen = |text: &str| {
        let sizes = Sizes::parse(text).unwrap();
        assert_eq!(sizes.text(), text);
        let drawn: Vec<usize> = (0..2_000).map(|_| sizes.draw(&mut prng)).collect();
        assert!(drawn.iter().all(|size| *size <= sizes.longest()), "{text}");
        drawn
    };
    assert!(seen("256").iter().all(|size| *size == 256));
    let range = seen("10..13");
    assert!((10..=13).all(|size| range.contains(&size)) && range.iter().all(|size| *size >= 10));
    let list = seen("64=90,4096=10");
    let long = list.iter().filter(|size| **size == 4_096).count();
    assert!((140..260).contains(&long) && list.iter().all(|size| [64, 4_096].contains(size)));
    assert_eq!(seen("0"), vec![0; 2_000]);
    for (text, why) in [
        ("9..1", "`9..1`: expected the smaller size first"),
        ("1KiB", "`1KiB`: expected a size in bytes, at most 536870912"),
        ("1..x", "`x`: expected a size in bytes, at most 536870912"),
        ("5,5", "part 2 is there already, expected each once"),
    ] {
        assert_eq!(Sizes::parse(text).unwrap_err(), why, "{text}");
    }
}

#[test]
fn ycsb_is_as_published() {
    let of = |ycsb: Ycsb| (ycsb.mix().text(), ycsb.distribution().name());
    assert_eq!(of(Ycsb::A), ("get=50,set=50".into(), "zipfian"));
    assert_eq!(of(Ycsb::B), ("get=95,set=5".into(), "zipfian"));
    assert_eq!(of(Ycsb::C), ("get=100".into(), "zipfian"));
    assert_eq!(of(Ycsb::D), ("get=95,insert=5".into(), "latest"));
    assert_eq!(of(Ycsb::E), ("scan=95,insert=5".into(), "zipfian"));
    assert_eq!(of(Ycsb::F), ("get=50,rmw=50".into(), "zipfian"));
}
