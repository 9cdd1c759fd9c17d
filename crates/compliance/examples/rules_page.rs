//! Prints docs/rules.md, for `cargo xtask docs`.

fn main() {
    print!("{}", compliance::rules::reference::page());
}
