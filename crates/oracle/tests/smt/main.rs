//! The engine against the SMT encoding. Needs Z3, and the feature `smt`.

#[cfg(feature = "smt")]
mod differential;

#[cfg(not(feature = "smt"))]
#[test]
#[ignore = "needs Z3: run cargo xtask test"]
#[expect(clippy::panic, reason = "tests")]
fn the_engine_and_the_solver_agree() {
    panic!("built without Z3: cargo test -p oracle --features smt --test smt -- --include-ignored");
}
