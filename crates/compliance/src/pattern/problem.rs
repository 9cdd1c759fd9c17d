//! Why a text is no event pattern.

/// What is wrong with a pattern, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {problem}")]
pub struct PatternError {
    /// The place as a JSON path: `$.detail.state[0]`.
    pub path: String,
    /// What is wrong, and what to do.
    pub problem: Problem,
}

/// What is wrong with a pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// Not JSON.
    #[error("this is not JSON (line {line}, column {column}): {message}")]
    Syntax {
        /// What the grammar wanted.
        message: String,
        /// Line from 1.
        line: usize,
        /// Column in characters from 1.
        column: usize,
    },
    /// Longer than [`super::MAX_CHARACTERS`].
    #[error(
        "{characters} characters, and a pattern has at most {}; split it into several rules",
        super::MAX_CHARACTERS
    )]
    TooLong {
        /// How long it is.
        characters: usize,
    },
    /// Deeper than [`super::MAX_DEPTH`].
    #[error(
        "nested deeper than {} levels; name the field with dots, or match less of it",
        super::MAX_DEPTH
    )]
    TooDeep,
    /// More alternatives than [`super::MAX_COMBINATIONS`].
    #[error(
        "`$or` makes more than {} combinations; split the pattern into several rules",
        super::MAX_COMBINATIONS
    )]
    TooManyCombinations,
    /// An empty list or object.
    #[error("{what} is empty and would match nothing; remove it, or {instead}")]
    Empty {
        /// The list or the object.
        what: &'static str,
        /// What could stand there.
        instead: &'static str,
    },
    /// A value of another kind than belongs there.
    #[error("{found} stands where {wanted} should stand; {help}")]
    Kind {
        /// What stands there.
        found: &'static str,
        /// What should.
        wanted: &'static str,
        /// What to write.
        help: String,
    },
    /// An operator that does not exist, or not there.
    #[error("`{operator}` is no operator here; it takes {known}")]
    UnknownOperator {
        /// The name, cleaned for display.
        operator: String,
        /// Those that exist there.
        known: &'static str,
    },
    /// An object with more or less than one operator.
    #[error("one operator belongs in an object, not {count}; write each in an object of its own")]
    NotOneOperator {
        /// How many stand there.
        count: usize,
    },
    /// A field given twice.
    #[error("the field `{name}` is given more than once; list its values in one place")]
    Repeated {
        /// Its name, cleaned for display.
        name: String,
    },
    /// An operator's name as the name of a field inside `$or`.
    #[error(
        "`{name}` is an operator and cannot name a field inside `$or`; write the field's name, and the operator in its list"
    )]
    Reserved {
        /// The name.
        name: String,
    },
    /// A number that patterns cannot compare.
    #[error("{number} cannot be compared; numbers go from -5.0e9 to 5.0e9 with at most 6 decimals")]
    Number {
        /// The number, cleaned for display.
        number: String,
    },
    /// A range that is not one.
    #[error("this is no range: {why}; write [\"=\", 5], [\"<\", 10] or [\">\", 0, \"<=\", 5]")]
    Range {
        /// Why.
        why: &'static str,
    },
    /// A `wildcard` that AWS refuses.
    #[error("{why}")]
    Wildcard {
        /// Why, and what to do.
        why: &'static str,
    },
    /// Not an IP address block.
    #[error("`{block}` is no address block; write one such as 10.0.0.0/24 or 2001:db8::/32")]
    Block {
        /// The text, cleaned for display.
        block: String,
    },
}
