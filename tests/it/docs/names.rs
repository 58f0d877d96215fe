//! Names in backticks: files, folders, symbols and configuration keys exist, so that a rename updates the documentation, too.

use std::path::{Path, PathBuf};

use super::markdown::{Document, LineInFile, ROOT, documents};

/// Names of other software that look like ours.
const NOT_OURS: [&str; 3] = ["EventSource", "ETag", "UpdateSubscriptions"];

/// Everything between backticks outside of blocks.
fn named(document: &Document) -> Vec<(LineInFile, &str)> {
    let of_line = |(place, line): (LineInFile, _)| {
        let names = str::split(line, '`').skip(1).step_by(2);
        names.map(move |name| (place.clone(), name)).collect::<Vec<_>>()
    };
    document.prose().flat_map(of_line).collect()
}

fn is_path(name: &str) -> bool {
    let is_plain = |one: char| one.is_alphanumeric() || "./_-".contains(one);
    let is_in_a_folder = name.contains('/') && !name.starts_with('/');
    name.chars().all(is_plain) && (is_in_a_folder || Path::new(ROOT).join(name).exists())
}

/// The type, constant or function that this names, if it looks like one.
fn symbol(name: &str) -> Option<&str> {
    let name = name.rsplit("::").next()?;
    if let Some(function) = name.strip_suffix("()") {
        return Some(function);
    }
    let is_word = name.chars().all(|one| one.is_ascii_alphanumeric() || one == '_');
    let is_capital = name.len() > 1 && name.starts_with(|one: char| one.is_ascii_uppercase());
    (is_word && is_capital && !NOT_OURS.contains(&name)).then_some(name)
}

/// The files of a folder and of those in it.
fn files(folder: &Path) -> Vec<PathBuf> {
    let paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    paths.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// The Rust files of a folder and of those in it, each with its text.
pub fn rust_files(folder: &str) -> Vec<(PathBuf, String)> {
    let files = files(&Path::new(ROOT).join(folder));
    let rust = files.into_iter().filter(|file| file.extension().is_some_and(|one| one == "rs"));
    rust.map(|file| (file.clone(), std::fs::read_to_string(file).unwrap())).collect()
}

#[test]
fn every_file_that_is_named_as_the_place_for_something_is_there() {
    files_are_there("docs/ARCHITECTURE.md", 40);
    files_are_there("CONTRIBUTING.md", 3);
}

fn files_are_there(path: &str, least: usize) {
    let document = Document::named(path);
    let paths: Vec<_> = named(&document).into_iter().filter(|(_, one)| is_path(one)).collect();
    for (place, path) in &paths {
        assert!(Path::new(ROOT).join(path).exists(), "{place}: there is no {path}");
    }
    assert!(paths.len() >= least, "{path} names {} files only", paths.len());
}

#[test]
fn every_symbol_that_the_architecture_names_is_defined() {
    let sources = rust_files("src");
    let is_defined = |symbol: &str| {
        let kinds = ["struct", "enum", "trait", "type", "const", "static", "fn"];
        let definitions = kinds.map(|kind| format!("{kind} {symbol}"));
        let begins =
            |rest: &str| !rest.starts_with(|one: char| one.is_alphanumeric() || one == '_');
        sources.iter().any(|(_, source)| {
            definitions.iter().any(|definition| source.split(definition).skip(1).any(begins))
        })
    };
    let document = Document::named("docs/ARCHITECTURE.md");
    let mut count = 0;
    for (place, name) in named(&document) {
        if let Some(symbol) = symbol(name) {
            assert!(is_defined(symbol), "{place}: src defines no {symbol}");
            count += 1;
        }
    }
    assert!(count >= 5, "only {count} symbols were found");
}

#[test]
fn every_folder_of_the_source_is_in_the_code_map() {
    let document = Document::named("docs/ARCHITECTURE.md");
    let rows: Vec<_> = document.prose().filter(|(_, line)| line.starts_with("| `src/")).collect();
    let is_test = |file: &Path| {
        file.components().any(|part| part.as_os_str().to_string_lossy().starts_with("tests"))
    };
    for file in files(&Path::new(ROOT).join("src")) {
        let inside = file.strip_prefix(ROOT).unwrap();
        let folder = inside.parent().unwrap().to_str().unwrap();
        if folder != "src" && !is_test(inside) {
            let row = format!("| `{folder}` |");
            let is_there = rows.iter().any(|(_, line)| line.starts_with(&row));
            assert!(is_there, "no row `{folder}`, in which there is {}", inside.display());
        }
    }
}

/// Decisions and the changelog are left out, since they tell of the past.
#[test]
fn every_configuration_key_that_is_named_exists() {
    let defaults = std::fs::read_to_string(Path::new(ROOT).join("config/default.toml")).unwrap();
    let defaults: toml_keys::Keys = toml_keys::of(&defaults);
    let mut count = 0;
    for document in documents() {
        if document.path.contains("decisions") || document.path.contains("CHANGELOG") {
            continue;
        }
        for (place, name) in named(&document) {
            let Some((section, key)) = name.split_once('.') else { continue };
            let is_key = key.chars().all(|one| one.is_ascii_lowercase() || one == '_');
            if is_key && defaults.has_section(section) && !["yaml", "toml"].contains(&key) {
                assert!(defaults.has(name), "{place}: there is no key {name}");
                count += 1;
            }
        }
    }
    assert!(count >= 50, "only {count} keys were found");
}

mod toml_keys {
    //! The keys of a file of TOML in which each line is a section, a key or a comment.

    pub struct Keys(Vec<String>);

    pub fn of(file: &str) -> Keys {
        let mut section = "";
        let mut keys = Vec::new();
        for line in file.lines() {
            if let Some(name) = line.strip_prefix('[') {
                section = name.trim_end_matches(']');
            } else if let Some((key, _)) = line.split_once(" = ")
                && !line.starts_with('#')
            {
                keys.push(format!("{section}.{key}"));
            }
        }
        Keys(keys)
    }

    impl Keys {
        pub fn has(&self, key: &str) -> bool {
            self.0.iter().any(|one| one == key)
        }

        pub fn has_section(&self, section: &str) -> bool {
            self.0.iter().any(|one| one.split('.').next() == Some(section))
        }
    }
}
