//! The runner as its users see it: the binary, a queue folder, engines that are small scripts.

mod add_command;
mod approval;
mod bounded_output;
mod commands;
mod coordinator;
mod coordinator_troubles;
mod damaged_records;
mod doctor;
mod durable_requests;
mod engine_arguments;
mod engine_breaker;
mod engine_events;
mod engine_logins;
mod engine_logs;
mod engine_trials;
// O-10: no other system tells who has a file open.
#[cfg(all(target_os = "linux", not(portable)))]
mod files_being_written;
#[cfg(all(target_os = "linux", not(portable)))] // No other system shows processes of other users as a job's.
mod foreign_children;
mod foreign_files;
mod front_matter_values;
mod gate;
mod gate_log_parts;
mod gate_page;
mod handing_coordinator;
mod handover;
mod handover_refusals;
mod host_trouble;
mod job_attempts;
mod job_integrity;
mod job_listing;
mod job_order;
mod job_output;
mod job_recall;
mod linked_paths;
mod locks;
mod lost_queues;
#[cfg(target_os = "linux")] // Its jobs look into /proc.
mod lost_supervisors;
mod manual_files;
mod metrics_file;
mod notifications;
mod observed_process;
mod pause;
mod plain_commands;
mod plain_http;
mod prune;
mod queue_creation;
mod queue_fixture;
mod queue_folder_checks;
mod queue_ownership;
mod recorded_engines;
mod retry_delay;
mod rollback;
mod route_permissions;
mod routed;
mod routed_approval;
mod routed_outbox;
mod runner_status;
mod service_units;
mod settings_in_a_run;
#[cfg(target_os = "linux")] // Its job looks into /proc.
mod shadow;
mod shadow_evidence;
mod short_leases;
mod signals;
#[cfg(all(target_os = "linux", not(portable)))] // It takes inotify away.
mod silent_folders;
#[cfg(all(target_os = "linux", not(portable)))] // It writes to a job through /proc, for the tests of writers.
mod slow_writer;
#[cfg(target_os = "linux")] // Its jobs find a supervisor through /proc.
mod spare_supervisor;
mod started_command;
mod stop_jobs;
mod terminal_display;
mod tls;
mod token_secrecy;
