//! The figures about a queue, in the text format of Prometheus: pure. `run/metrics_writer.rs` gathers and writes them.

mod counter_values;
mod text_format;

pub(crate) use counter_values::CounterValues;
pub(crate) use text_format::{CoordinatorFigures, QueueFigures, render};
