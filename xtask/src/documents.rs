//! The commands in the documents, and what their authors say about running them.
//!
//! Every block of shell commands (` ```sh `) is preceded by a comment that a reader does not see:
//!
//! - `<!-- run -->`: `cargo xtask test` runs it and it succeeds;
//! - `<!-- run: exit 1 -->`: it is run and ends with this exit code;
//! - `<!-- not run: why -->`: it is not run.
//!
//! A block runs in bash, in the repository's root, with this build's `portcullis` first on the path
//! and the addresses of the test servers in the environment.

use std::fs;
use std::path::{Path, PathBuf};

/// What is to happen with a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Marker {
    /// It runs and ends with this exit code.
    Run {
        /// The exit code.
        exit: i32,
    },
    /// It does not run; the author said why.
    NotRun,
}

/// A block of commands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Block {
    /// The document, relative to the root.
    pub(crate) file: PathBuf,
    /// The line of its opening fence, from 1.
    pub(crate) line: usize,
    /// What is to happen with it.
    pub(crate) marker: Marker,
    /// The commands.
    pub(crate) text: String,
}

impl Block {
    /// Where it stands, for people.
    pub(crate) fn place(&self) -> String {
        format!("{}:{}", self.file.display(), self.line)
    }
}

/// Every block of every document; an error names the blocks that nobody marked.
pub(crate) fn commands(root: &Path) -> Result<Vec<Block>, String> {
    let mut files = Vec::new();
    for name in [
        "README.md",
        "ARCHITECTURE.md",
        "CONTRIBUTING.md",
        "CHANGELOG.md",
    ] {
        files.push(root.join(name));
    }
    markdown_below(&root.join("docs"), &mut files)?;
    files.sort();
    let mut blocks = Vec::new();
    let mut wrong = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file)
            .map_err(|error| format!("cannot read {}: {error}", file.display()))?;
        let name = file.strip_prefix(root).unwrap_or(&file);
        match read(name, &text) {
            Ok(read) => blocks.extend(read),
            Err(errors) => wrong.extend(errors),
        }
    }
    if wrong.is_empty() {
        Ok(blocks)
    } else {
        Err(wrong.join("\n"))
    }
}

fn markdown_below(directory: &Path, files: &mut Vec<PathBuf>) -> Result<(), String> {
    let cannot = |error| format!("cannot read {}: {error}", directory.display());
    for entry in fs::read_dir(directory).map_err(cannot)? {
        let path = entry.map_err(cannot)?.path();
        if path.is_dir() {
            markdown_below(&path, files)?;
        } else if path.extension().is_some_and(|e| e == "md") {
            files.push(path);
        }
    }
    Ok(())
}

fn read(file: &Path, text: &str) -> Result<Vec<Block>, Vec<String>> {
    let mut blocks = Vec::new();
    let mut wrong = Vec::new();
    let mut before = "";
    let mut lines = text.lines().enumerate();
    while let Some((at, line)) = lines.next() {
        let Some(info) = line.trim_start().strip_prefix("```") else {
            if !line.trim().is_empty() {
                before = line.trim();
            }
            continue;
        };
        let body: Vec<&str> = lines
            .by_ref()
            .map(|(_, line)| line)
            .take_while(|line| line.trim() != "```")
            .collect();
        let place = format!("{}:{}", file.display(), at + 1);
        match (info.trim(), marker(before)) {
            ("sh", Some(marker)) => blocks.push(Block {
                file: file.to_owned(),
                line: at + 1,
                marker,
                text: body.join("\n"),
            }),
            ("sh", None) => wrong.push(format!(
                "{place}: say in a comment before the block whether it is run: <!-- run -->, \
                 <!-- run: exit 1 --> or <!-- not run: why -->"
            )),
            ("bash" | "shell" | "console", _) => wrong.push(format!(
                "{place}: commands stand in blocks marked `sh`, terminal sessions in `text`"
            )),
            _ => {}
        }
        before = "";
    }
    if wrong.is_empty() {
        Ok(blocks)
    } else {
        Err(wrong)
    }
}

fn marker(line: &str) -> Option<Marker> {
    let comment = line.strip_prefix("<!--")?.strip_suffix("-->")?.trim();
    if comment == "run" {
        return Some(Marker::Run { exit: 0 });
    }
    if let Some(code) = comment.strip_prefix("run: exit ") {
        return code.parse().ok().map(|exit| Marker::Run { exit });
    }
    let why = comment.strip_prefix("not run:")?.trim();
    (!why.is_empty()).then_some(Marker::NotRun)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn blocks_come_with_their_marker_and_place() {
        let text = "\
# Title
<!-- run -->
```sh
true
```
<!-- run: exit 1 -->

```sh
false
echo
```
```json
{}
```
<!-- not run: takes a day -->
```sh
sleep 86400
```
";
        let blocks = read(Path::new("a.md"), text).unwrap();
        let seen: Vec<_> = blocks
            .iter()
            .map(|b| (b.place(), b.marker.clone(), b.text.as_str()))
            .collect();
        assert_eq!(
            seen,
            [
                ("a.md:3".to_owned(), Marker::Run { exit: 0 }, "true"),
                ("a.md:8".to_owned(), Marker::Run { exit: 1 }, "false\necho"),
                ("a.md:16".to_owned(), Marker::NotRun, "sleep 86400"),
            ]
        );
    }

    #[test]
    fn a_block_without_a_marker_is_an_error_that_names_its_place() {
        for text in [
            "```sh\ntrue\n```\n",
            "<!-- run -->\n```sh\ntrue\n```\n```sh\nfalse\n```\n",
            "<!-- run -->\nwords\n```sh\ntrue\n```\n",
            "<!-- not run: -->\n```sh\ntrue\n```\n",
            "<!-- run: exit one -->\n```sh\ntrue\n```\n",
            "```console\n$ true\n```\n",
        ] {
            let errors = read(Path::new("a.md"), text).unwrap_err();
            assert_eq!(errors.len(), 1, "{text}");
            assert!(errors[0].starts_with("a.md:"), "{}", errors[0]);
        }
    }

    #[test]
    fn the_documents_mark_their_commands() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let blocks = commands(root).unwrap();
        let runs = blocks
            .iter()
            .filter(|b| matches!(b.marker, Marker::Run { .. }))
            .count();
        assert!(runs > 0);
    }
}
