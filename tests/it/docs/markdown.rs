//! Reads the Markdown of this repository.

use std::{
    fmt,
    path::{Path, PathBuf},
};

pub const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Folders with the files of others, or of a build.
const NOT_OURS: [&str; 6] = ["node_modules", "target", "dist", ".tools", ".git", "corpus"];

/// A file, by its path from the root of the repository.
pub struct Document {
    pub path: String,
    pub text: String,
}

/// A fenced block of code.
pub struct Block {
    pub place: LineInFile,
    pub language: String,
    /// The text of the comment on the line before, as in `<!-- shell: … -->`.
    pub marker: Option<String>,
    pub text: String,
}

/// A line of a file.
#[derive(Clone)]
pub struct LineInFile {
    pub path: String,
    pub line: usize,
}

/// A link to a file or heading of this repository.
pub struct Link {
    pub place: LineInFile,
    pub target: String,
}

impl fmt::Display for LineInFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.path, self.line)
    }
}

/// Every Markdown file of the repository.
pub fn documents() -> Vec<Document> {
    let mut documents = Vec::new();
    collect(Path::new(ROOT), &mut documents);
    documents.sort_by(|one, other| one.path.cmp(&other.path));
    documents
}

fn collect(folder: &Path, documents: &mut Vec<Document>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() && !path.is_symlink() && !NOT_OURS.contains(&name) {
            collect(&path, documents);
        } else if path.extension().is_some_and(|extension| extension == "md") {
            documents.push(Document::read(&path));
        }
    }
}

impl Document {
    fn read(path: &PathBuf) -> Self {
        Self {
            path: path.strip_prefix(ROOT).unwrap().to_str().unwrap().to_owned(),
            text: std::fs::read_to_string(path).unwrap(),
        }
    }

    pub fn named(path: &str) -> Self {
        Self::read(&Path::new(ROOT).join(path))
    }

    fn place(&self, index: usize) -> LineInFile {
        LineInFile { path: self.path.clone(), line: index + 1 }
    }

    /// All fenced blocks, in order.
    pub fn blocks(&self) -> Vec<Block> {
        let mut blocks = Vec::new();
        let mut open: Option<Block> = None;
        let mut before = "";
        for (index, line) in self.text.lines().enumerate() {
            match (open.take(), line.strip_prefix("```")) {
                (None, Some(language)) => {
                    let place = self.place(index);
                    let marker = marker(before).map(str::to_owned);
                    let (language, text) = (language.to_owned(), String::new());
                    open = Some(Block { place, language, marker, text });
                }
                (Some(block), Some("")) => blocks.push(block),
                (Some(mut block), _) => {
                    block.text.push_str(line);
                    block.text.push('\n');
                    open = Some(block);
                }
                (None, None) => {}
            }
            before = line;
        }
        assert!(open.is_none(), "{}: the last block does not end", self.path);
        blocks
    }

    /// The lines outside of blocks.
    pub fn prose(&self) -> impl Iterator<Item = (LineInFile, &str)> {
        let mut is_in_block = false;
        self.text.lines().enumerate().filter_map(move |(index, line)| {
            let is_fence = line.starts_with("```");
            is_in_block ^= is_fence;
            (!is_in_block && !is_fence).then(|| (self.place(index), line))
        })
    }

    /// Links that stay in the repository.
    pub fn links(&self) -> Vec<Link> {
        let of_line = |(place, line): (LineInFile, &str)| {
            let targets = line.split("](").skip(1).filter_map(|rest| rest.split(')').next());
            let targets = targets.filter(|target| !target.contains("://")).map(str::to_owned);
            targets.map(|target| Link { place: place.clone(), target }).collect::<Vec<_>>()
        };
        self.prose().flat_map(of_line).collect()
    }

    /// The anchors that GitHub makes of the headings.
    pub fn anchors(&self) -> Vec<String> {
        let headings = self.prose().filter(|(_, line)| line.starts_with('#'));
        headings.map(|(_, line)| anchor(line.trim_start_matches('#').trim())).collect()
    }
}

fn marker(line: &str) -> Option<&str> {
    line.strip_prefix("<!-- shell: ")?.strip_suffix(" -->")
}

fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|&one| one.is_alphanumeric() || " -_".contains(one));
    kept.map(|one| if one == ' ' { '-' } else { one }).flat_map(char::to_lowercase).collect()
}
