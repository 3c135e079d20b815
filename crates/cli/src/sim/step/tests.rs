use super::*;

fn five() -> Vec<Step> {
    let step = |text: &str| Step { text: text.into(), change: None, states: BTreeMap::new() };
    ["one", "two", "three", "four", "five"].map(step).into()
}

/// What is shown for lines typed one after the other, without what is asked each time.
fn typed(lines: &[&str]) -> Vec<String> {
    let keys: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let mut shown = Vec::new();
    by_keys(&five(), &mut keys.as_bytes(), &mut shown).expect("written to memory");
    let shown = String::from_utf8(shown).expect("text");
    assert_eq!(shown.matches(PROMPT).count(), lines.len() + usize::from(!lines.contains(&"q")));
    shown.replace(PROMPT, "").lines().map(|line| line.replace("/5: ", " ")).collect()
}

#[test]
fn steps_are_walked_by_keys() {
    assert_eq!(typed(&["q"]), ["step 1 one"]);
    assert_eq!(typed(&["", "2", "q"]), ["step 1 one", "step 2 two", "step 3 three", "step 4 four"]);
    assert_eq!(typed(&["g 3", "b", "b", "", "q"]).join(", "), {
        "step 1 one, step 3 three, step 2 two, step 1 one, step 2 two"
    });
    assert_eq!(
        typed(&["/ou", "/ou", "q"]),
        ["step 1 one", "step 4 four", "no later step says `ou`"]
    );
}

#[test]
fn what_cannot_be_shown_is_told() {
    let all = ["step 1 one", "step 2 two", "step 3 three", "step 4 four", "step 5 five"];
    let told = typed(&["99999999999999999999", "", "g5", "b", "q"]);
    assert_eq!(told[..5], all);
    assert_eq!(told[5..], ["step 5 is the last one", "step 5 five", "step 4 four"]);
    let told = typed(&["b", "0", "-1", "back", "g", "g 0", "g 6", "q"]);
    assert_eq!(
        told[1..5],
        [
            "there is no step before it",
            "`0` is none of these",
            "`-1` is none of these",
            "`back` is none of these"
        ]
    );
    assert_eq!(
        told[5..],
        ["`g` is none of these", "there are steps 1 to 5", "there are steps 1 to 5"]
    );
}

#[test]
fn the_end_of_the_keys_ends_the_walk() {
    assert_eq!(typed(&[""]), ["step 1 one", "step 2 two", ""]);
    let mut shown = Vec::new();
    by_keys(&[], &mut &b"b\n\nq\n"[..], &mut shown).expect("written to memory");
    assert!(String::from_utf8(shown).expect("text").contains("step 0 is the last one"));
}
