//! Plans: order, retries, fallbacks, names.

use std::collections::HashMap;

use proptest::prelude::*;

use super::{Strategy, *};

#[derive(Default)]
struct View {
    cooling: HashMap<&'static str, u64>,
    unpaid: Vec<&'static str>,
    full: Vec<&'static str>,
    latency: HashMap<&'static str, u64>,
    busy: HashMap<&'static str, u64>,
    price: HashMap<&'static str, u64>,
    lacking: Vec<&'static str>,
    mute: Vec<&'static str>,
}

impl DeploymentView for View {
    fn serves(&self, id: &str) -> bool {
        !self.lacking.contains(&id)
    }
    fn expresses(&self, id: &str, captured: Option<&str>) -> bool {
        let name = captured.map_or(id.to_owned(), |captured| format!("{id}:{captured}"));
        !self.mute.contains(&name.as_str())
    }
    fn cooling_for(&self, id: &str) -> Option<u64> {
        self.cooling.get(id).copied()
    }
    fn lacks_credential(&self, id: &str) -> bool {
        self.unpaid.contains(&id)
    }
    fn is_full(&self, id: &str) -> bool {
        self.full.contains(&id)
    }
    fn latency(&self, id: &str) -> Option<u64> {
        self.latency.get(id).copied()
    }
    fn in_flight(&self, id: &str) -> u64 {
        self.busy.get(id).copied().unwrap_or(0)
    }
    fn tokens_this_minute(&self, id: &str) -> u64 {
        self.in_flight(id)
    }
    fn token_price(&self, id: &str) -> Option<PicoPrice> {
        self.price.get(id).copied().map(PicoPrice)
    }
}

fn route(alias: &str, ids: &[&str]) -> Route {
    Route {
        alias: alias.into(),
        deployments: ids
            .iter()
            .map(|id| Candidate::new(id, &format!("openai/{id}")))
            .collect(),
    }
}

fn fallbacks(pairs: &[(&str, &[&str])]) -> HashMap<String, Vec<String>> {
    let owned = |names: &[&str]| names.iter().map(|&n| n.to_owned()).collect();
    pairs
        .iter()
        .map(|(alias, to)| ((*alias).to_owned(), owned(to)))
        .collect()
}

fn settings(pairs: &[(&str, &[&str])]) -> RoutingSettings {
    RoutingSettings {
        fallbacks: fallbacks(pairs),
        ..RoutingSettings::default()
    }
}

/// A fixed sequence of random numbers.
fn random(seed: u64) -> impl FnMut() -> u64 {
    let mut state = seed | 1;
    move || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        state >> 20
    }
}

fn ids(table: &RoutingTable, alias: &str, wishes: &Wishes, view: &View) -> Result<String, NoPlan> {
    let plan = plan(table, alias, wishes, view, &mut random(1))?;
    let ids: Vec<_> = plan
        .attempts
        .iter()
        .map(|a| a.deployment.to_string())
        .collect();
    Ok(ids.join(" "))
}

fn simple(table: &RoutingTable, alias: &str) -> String {
    ids(table, alias, &Wishes::default(), &View::default()).unwrap()
}

#[test]
fn deployments_without_the_endpoint_are_left_out_while_others_have_it() {
    let routes = vec![route("m", &["a", "b"]), route("f", &["c"])];
    let table = RoutingTable::new(routes, settings(&[("m", &["f"])]));
    let ids = |lacking: &[&'static str], cooling: &[(&'static str, u64)]| {
        let view = View {
            lacking: lacking.to_vec(),
            cooling: cooling.iter().copied().collect(),
            ..View::default()
        };
        ids(&table, "m", &Wishes::default(), &view)
    };
    assert_eq!(ids(&["a"], &[]).unwrap(), "b b b c");
    assert_eq!(ids(&["a", "b"], &[]).unwrap(), "c");
    // Who lacks it says so, when nobody has it.
    assert_eq!(ids(&["a", "b", "c"], &[("a", 9)]).unwrap(), "b b b c");
    let cooling = ids(&["a", "b"], &[("c", 2_000)]);
    assert!(matches!(
        cooling,
        Err(NoPlan::AllCoolingDown { retry_after: 2, .. })
    ));
}

#[test]
fn deployments_that_cannot_express_a_request_are_left_out_while_others_can() {
    let routes = vec![route("m", &["a", "b"]), route("f", &["c"])];
    let table = RoutingTable::new(routes, settings(&[("m", &["f"])]));
    let ids = |mute: &[&'static str], lacking: &[&'static str]| {
        let view = View {
            mute: mute.to_vec(),
            lacking: lacking.to_vec(),
            ..View::default()
        };
        ids(&table, "m", &Wishes::default(), &view).unwrap()
    };
    assert_eq!(ids(&["a"], &[]), "b b b c");
    assert_eq!(ids(&["a", "c"], &[]), "b b b");
    assert_eq!(ids(&["a", "b"], &[]), "c");
    // Who cannot says so, when nobody can; one without the endpoint is nobody.
    assert_eq!(ids(&["a", "b", "c"], &[]), simple(&table, "m"));
    assert_eq!(ids(&["a", "b"], &["c"]), "b a b");
}

#[test]
fn one_that_expresses_a_request_is_waited_for() {
    let table = RoutingTable::new(vec![route("m", &["a", "b"])], RoutingSettings::default());
    let view = View {
        mute: vec!["a"],
        cooling: [("b", 2_000)].into(),
        ..View::default()
    };
    assert!(matches!(
        ids(&table, "m", &Wishes::default(), &view),
        Err(NoPlan::AllCoolingDown { retry_after: 2, .. })
    ));
}

#[test]
fn what_a_wildcard_stands_for_decides_what_is_expressed() {
    let routes = vec![route("x/*", &["a"]), route("f", &["b"])];
    let table = RoutingTable::new(routes, settings(&[("x/1", &["f"]), ("x/2", &["f"])]));
    let view = View {
        mute: vec!["a:1"],
        ..View::default()
    };
    let ids = |alias| ids(&table, alias, &Wishes::default(), &view).unwrap();
    assert_eq!((ids("x/1"), ids("x/2")), ("b".into(), "a a a b".into()));
}

#[test]
fn a_lone_deployment_is_tried_three_times() {
    let table = RoutingTable::new(vec![route("m", &["a"])], RoutingSettings::default());
    assert_eq!(simple(&table, "m"), "a a a");
}

#[test]
fn each_deployment_is_tried_before_any_is_tried_again() {
    let table = RoutingTable::new(vec![route("m", &["a", "b"])], RoutingSettings::default());
    for seed in 0..50 {
        let plan = plan(&table, "m", &Wishes::default(), &AllWell, &mut random(seed)).unwrap();
        let at = |n: usize| &plan.attempts[n].deployment;
        assert_eq!(plan.attempts.len(), 3);
        assert_ne!(at(0), at(1));
        assert_eq!(at(0), at(2));
    }
}

#[test]
fn fallbacks_follow_once_each_and_never_loop() {
    let table = RoutingTable::new(
        vec![route("m", &["a"]), route("n", &["b"]), route("o", &["c"])],
        settings(&[("m", &["n"]), ("n", &["m", "o", "gone"]), ("o", &["n"])]),
    );
    assert_eq!(simple(&table, "m"), "a a a b c");
    let last = plan(&table, "m", &Wishes::default(), &AllWell, &mut random(1)).unwrap();
    assert_eq!(
        last.attempts.last().map(|a| (a.alias.as_ref(), a.fallback)),
        Some(("o", 2))
    );
}

#[test]
fn an_alias_s_own_fallbacks_come_before_the_next_one() {
    let table = RoutingTable::new(
        vec![
            route("m", &["a"]),
            route("n", &["b"]),
            route("o", &["c"]),
            route("p", &["d"]),
        ],
        settings(&[("m", &["n", "p"]), ("n", &["o"])]),
    );
    assert_eq!(simple(&table, "m"), "a a a b c d");
}

#[test]
fn default_fallbacks_serve_aliases_that_have_none() {
    let settings = RoutingSettings {
        default_fallbacks: vec!["d".to_owned()],
        context_window_fallbacks: fallbacks(&[("m", &["long"])]),
        ..settings(&[("n", &["m"])])
    };
    let routes = ["m", "n", "d", "long"].map(|name| route(name, &[name]));
    let table = RoutingTable::new(routes.to_vec(), settings);
    assert_eq!(simple(&table, "m"), "m m m d long");
    assert_eq!(simple(&table, "n"), "n n n m d long");
}

#[test]
fn a_client_s_wishes_replace_the_configuration() {
    let table = RoutingTable::new(
        vec![route("m", &["a"]), route("n", &["b"]), route("o", &["c"])],
        settings(&[("m", &["n"]), ("o", &["n"])]),
    );
    let wish = |wishes| ids(&table, "m", &wishes, &View::default()).unwrap();
    let none = Wishes::default();
    assert_eq!(
        wish(Wishes {
            disable_fallbacks: true,
            ..none.clone()
        }),
        "a a a"
    );
    assert_eq!(
        wish(Wishes {
            num_retries: Some(0),
            ..none.clone()
        }),
        "a b"
    );
    assert_eq!(
        wish(Wishes {
            fallbacks: Some(vec!["o".into()]),
            ..none
        }),
        "a a a c"
    );
}

#[test]
fn no_wish_makes_a_plan_longer_than_the_cap() {
    let table = RoutingTable::new(vec![route("m", &["a"])], RoutingSettings::default());
    let wishes = Wishes {
        num_retries: Some(u32::MAX),
        ..Wishes::default()
    };
    let plan = plan(&table, "m", &wishes, &AllWell, &mut random(1)).unwrap();
    assert_eq!(plan.attempts.len(), MAX_ATTEMPTS);
}

#[test]
fn resting_and_full_deployments_are_left_out() {
    let table = RoutingTable::new(
        vec![route("m", &["a", "b", "c"]), route("n", &["d"])],
        settings(&[("m", &["n"])]),
    );
    let view = View {
        cooling: HashMap::from([("a", 900)]),
        full: vec!["b"],
        ..View::default()
    };
    assert_eq!(
        ids(&table, "m", &Wishes::default(), &view).unwrap(),
        "c c c d"
    );
    let view = View {
        cooling: HashMap::from([("a", 900), ("b", 1), ("c", 1)]),
        ..View::default()
    };
    assert_eq!(ids(&table, "m", &Wishes::default(), &view).unwrap(), "d");
}

#[test]
fn when_all_rest_the_client_learns_for_how_long() {
    let table = RoutingTable::new(vec![route("m", &["a", "b"])], RoutingSettings::default());
    let view = View {
        cooling: HashMap::from([("a", 4_200), ("b", 2_100)]),
        ..View::default()
    };
    let no_plan = ids(&table, "m", &Wishes::default(), &view).unwrap_err();
    assert_eq!(
        no_plan,
        NoPlan::AllCoolingDown {
            alias: "m".into(),
            retry_after: 3
        }
    );
    let view = View {
        full: vec!["a", "b"],
        ..View::default()
    };
    let no_plan = ids(&table, "m", &Wishes::default(), &view).unwrap_err();
    assert_eq!(no_plan, NoPlan::AllFull { alias: "m".into() });
}

#[test]
fn deployments_without_a_credential_are_passed_over() {
    let table = RoutingTable::new(
        vec![route("m", &["a", "b"]), route("n", &["c"])],
        settings(&[("m", &["n"])]),
    );
    let without = |unpaid: &[&'static str]| View {
        unpaid: unpaid.to_vec(),
        ..View::default()
    };
    let planned = |view| ids(&table, "m", &Wishes::default(), &view);
    assert_eq!(planned(without(&["a"])).unwrap(), "b b b c");
    assert_eq!(planned(without(&["a", "b"])).unwrap(), "c");
    let none = planned(without(&["a", "b", "c"]));
    assert_eq!(none, Err(NoPlan::NoCredential { alias: "m".into() }));
}

#[test]
fn an_unknown_alias_has_no_plan() {
    let table = RoutingTable::new(vec![route("m", &["a"])], RoutingSettings::default());
    let no_plan = ids(&table, "x", &Wishes::default(), &View::default());
    assert_eq!(no_plan, Err(NoPlan::UnknownModel { alias: "x".into() }));
}

#[test]
fn a_request_may_name_a_deployment_s_model_or_id() {
    let mut other = route("n", &["b"]);
    other.deployments[0].model = "openai/a".into();
    let table = RoutingTable::new(vec![route("m", &["a"]), other], RoutingSettings::default());
    assert_eq!(simple(&table, "a"), "a a a");
    let mut both: Vec<_> = simple(&table, "openai/a")
        .split(' ')
        .map(str::to_owned)
        .collect();
    both.sort();
    both.dedup();
    assert_eq!(both, ["a", "b"]);
}

#[test]
fn the_most_specific_wildcard_serves_what_no_alias_does() {
    let table = RoutingTable::new(
        vec![
            route("*", &["any"]),
            route("openai/*", &["oai"]),
            route("openai/x", &["x"]),
        ],
        RoutingSettings::default(),
    );
    assert_eq!(simple(&table, "openai/x"), "x x x");
    assert_eq!(simple(&table, "openai/gpt-4o"), "oai oai oai");
    assert_eq!(simple(&table, "claude"), "any any any");
    let plan = plan(
        &table,
        "openai/gpt-4o",
        &Wishes::default(),
        &AllWell,
        &mut random(1),
    )
    .unwrap();
    assert_eq!(plan.attempts[0].captured.as_deref(), Some("gpt-4o"));
}

#[test]
fn other_names_lead_to_their_alias() {
    let settings = RoutingSettings {
        model_group_alias: HashMap::from([("gpt".to_owned(), "m".to_owned())]),
        ..RoutingSettings::default()
    };
    let table = RoutingTable::new(vec![route("m", &["a"])], settings);
    assert_eq!(simple(&table, "gpt"), "a a a");
}

#[test]
fn a_name_that_leads_to_an_alias_has_its_fallbacks() {
    let settings = RoutingSettings {
        model_group_alias: HashMap::from([("gpt".to_owned(), "m".to_owned())]),
        ..settings(&[("m", &["n"]), ("openai/*", &["n"])])
    };
    let routes = vec![
        route("m", &["a"]),
        route("n", &["b"]),
        route("openai/*", &["w"]),
    ];
    let table = RoutingTable::new(routes, settings);
    assert_eq!(simple(&table, "gpt"), "a a a b");
    assert_eq!(simple(&table, "openai/gpt-4o"), "w w w b");
}

fn weighted(weights: [Option<u32>; 3]) -> RoutingTable {
    let mut route = route("m", &["a", "b", "c"]);
    for (candidate, weight) in route.deployments.iter_mut().zip(weights) {
        candidate.weight = weight;
    }
    RoutingTable::new(vec![route], RoutingSettings::default())
}

#[test]
fn weights_decide_how_often_a_deployment_is_first() {
    let table = weighted([Some(2), None, Some(0)]);
    let mut random = random(7);
    let mut first = HashMap::new();
    for _ in 0..3_000 {
        let plan = plan(&table, "m", &Wishes::default(), &AllWell, &mut random).unwrap();
        *first
            .entry(plan.attempts[0].deployment.to_string())
            .or_insert(0) += 1;
        assert_eq!(
            plan.attempts[2].deployment.as_ref(),
            "c",
            "weight 0 is the last resort"
        );
    }
    assert!((1_900..2_100).contains(&first["a"]), "{first:?}");
}

#[test]
fn strategies_order_by_what_is_known() {
    let view = View {
        latency: HashMap::from([("a", 30), ("b", 10)]),
        busy: HashMap::from([("a", 3), ("b", 1), ("c", 2)]),
        price: HashMap::from([("a", 2), ("c", 1)]),
        ..View::default()
    };
    for (name, expected) in [
        ("latency-based-routing", "c b a"),
        ("least-busy", "b c a"),
        ("usage-based-routing-v2", "b c a"),
        ("cost-based-routing", "c a b"),
    ] {
        let strategy = Strategy::parse(name).unwrap();
        let settings = RoutingSettings {
            strategy,
            ..RoutingSettings::default()
        };
        let table = RoutingTable::new(vec![route("m", &["a", "b", "c"])], settings);
        assert_eq!(
            ids(&table, "m", &Wishes::default(), &view).unwrap(),
            expected,
            "{name}"
        );
    }
    assert_eq!(Strategy::parse("fancy"), None);
}

#[test]
fn order_comes_before_the_strategy() {
    let mut route = route("m", &["a", "b", "c"]);
    route.deployments[0].order = 2;
    route.deployments[1].order = 1;
    route.deployments[2].order = 3;
    let table = RoutingTable::new(vec![route], RoutingSettings::default());
    assert_eq!(simple(&table, "m"), "b a c");
}

proptest! {
    #[test]
    fn a_plan_is_never_empty_and_never_too_long(
        retries in proptest::option::of(0_u32..50), count in 1_usize..60, seed: u64,
    ) {
        let names: Vec<_> = (0..count).map(|n| format!("d{n}")).collect();
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        let table = RoutingTable::new(
            vec![route("m", &names), route("n", &names)],
            settings(&[("m", &["n"])]),
        );
        let wishes = Wishes { num_retries: retries, ..Wishes::default() };
        let plan = plan(&table, "m", &wishes, &AllWell, &mut random(seed)).unwrap();
        let own = plan.attempts.iter().filter(|a| a.fallback == 0).count();
        prop_assert_eq!(own, 32.min(retries.unwrap_or(2) as usize + 1));
        prop_assert!(plan.attempts.len() <= MAX_ATTEMPTS);
        let distinct = plan.attempts[..own].iter().map(|a| &a.deployment);
        let distinct: std::collections::HashSet<_> = distinct.collect();
        prop_assert_eq!(distinct.len(), own.min(count));
    }
}
