use super::*;

#[test]
fn even_numbers_draw_the_arithmetic() {
    assert_eq!(advice(3), None);
    assert_eq!(advice(5), None);
    let two = advice(2).unwrap();
    assert!(two.starts_with("2 nodes need 2 for a majority and survive 0 failures"), "{two}");
    let four = advice(4).unwrap();
    assert!(four.contains("need 3 for a majority and survive 1 failure, as 3 would"), "{four}");
    assert!(advice(1).unwrap().contains("survives 0"));
}
