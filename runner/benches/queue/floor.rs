//! What `aq` is measured against: the bare system calls of a durable queue, and a plain queue in bash.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::queue_fixture::QueueFixture;

const STAGES: [&str; 4] = ["inbox", "building", "testing", "shipped"];

/// Takes the first waiting file, moves it, has its engine work on it, and moves it on; nothing of it is durable.
const BASH_QUEUE: &str = r#"
cd "$QUEUE" || exit 1
for file in inbox/*.md; do
  name=${file##*/}
  mv "$file" "building/$name"
  engine=$(sed -n 's/^engine: *//p' "building/$name")
  if "$engine" --prompt-file "building/$name" >"logs/$name.out" 2>&1 </dev/null; then
    mv "building/$name" "shipped/$name"
  else
    mv "building/$name" "failed/$name"
  fi
done
"#;

/// Milliseconds for so many jobs: a spawn and its wait, three renames, and what makes each durable.
pub fn bare(fixture: &QueueFixture, jobs: usize) -> io::Result<f64> {
    let root = fixture.path("bare");
    fill(&root, &STAGES, jobs)?;
    let engine = fixture.path("bin").join("devin");
    let started = Instant::now();
    for number in 0..jobs {
        let name = format!("{number:06}.md");
        step(&root, &name, STAGES[0], STAGES[1])?;
        let output = File::create(root.join("output"))?;
        Command::new(&engine)
            .stdin(Stdio::null())
            .stderr(output.try_clone()?)
            .stdout(output)
            .status()?;
        step(&root, &name, STAGES[1], STAGES[2])?;
        step(&root, &name, STAGES[2], STAGES[3])?;
    }
    Ok(started.elapsed().as_secs_f64() * 1e3)
}

/// Milliseconds that the loop in bash takes for so many jobs.
pub fn bash(fixture: &QueueFixture, jobs: usize) -> io::Result<f64> {
    let root = fixture.path("bash");
    fill(&root, &["inbox", "building", "shipped", "failed", "logs"], jobs)?;
    let mut command = Command::new("bash");
    command
        .args(["-c", BASH_QUEUE])
        .env("QUEUE", &root)
        .env("PATH", fixture.search_path());
    let took_ms = fixture.timed(&mut command)?;
    let shipped = fs::read_dir(root.join("shipped"))?.count();
    if shipped != jobs {
        return Err(io::Error::other(format!(
            "the bash queue shipped {shipped} of {jobs} jobs"
        )));
    }
    Ok(took_ms)
}

fn fill(root: &Path, stages: &[&str], jobs: usize) -> io::Result<()> {
    for stage in stages {
        fs::create_dir_all(root.join(stage))?;
    }
    for number in 0..jobs {
        let path = root.join("inbox").join(format!("{number:06}.md"));
        fs::write(&path, "---\nengine: devin\n---\nDo nothing.\n")?;
        File::open(&path)?.sync_all()?;
    }
    Ok(())
}

/// One durable transition.
fn step(root: &Path, name: &str, from: &str, to: &str) -> io::Result<()> {
    fs::rename(root.join(from).join(name), root.join(to).join(name))?;
    File::open(root.join(to).join(name))?.sync_all()?;
    File::open(root.join(to))?.sync_all()?;
    File::open(root.join(from))?.sync_all()
}
