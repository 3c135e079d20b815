use super::*;

#[test]
fn rows_stand_in_columns() {
    let bulk = |text: &str| Reply::Bulk(text.as_bytes().into());
    let shown = Reply::Map(vec![
        (bulk("name"), bulk("account")),
        (bulk("leader"), Reply::Null),
        (bulk("replicas"), Reply::Array(vec![Reply::Int(1), Reply::Int(2)])),
    ]);
    assert_eq!(rows(&shown), ["  name      account", "  leader    none", "  replicas  1 2"]);
}
