//! Flags that change while a run is under way (clauses F-8 and T-11): each decision is made in the mode that counts then.
//!
//! What runs goes on as it began. A routed job ends under its lease, whatever the next decision is; a local one ends
//! as a local one.

use super::handover_notice;
use super::progress::{self, RunProgress};
use super::queue_world::QueueWorld;
use super::run_options::RunError;
use super::runner_record::RunnerPresence;
use super::work_source::RoutedSource;
use crate::fleet::routing_record::RollbackReach;
use crate::mode::Mode;
use crate::queue::Queue;
use crate::settings::{ReloadOutcome, RouteOffOutcome, Settings, SettingsReloader};
use crate::shadow::{ShadowLane, SkipReason};
use crate::terminal;

pub(super) struct ModeSwitch {
    /// What counts for the next decision.
    mode: Mode,
    reloader: SettingsReloader,
    /// `aq.toml` was being written when it was looked at last.
    is_unsettled: bool,
    /// Those that were given up when the mode changed; they end with the run.
    stopped_lanes: Vec<ShadowLane>,
    /// The variable or the flag that `turn_route_off` found in front of the file; empty where it found none.
    hidden_by: String,
}

impl ModeSwitch {
    pub(super) fn new(settings: &Settings) -> ModeSwitch {
        ModeSwitch {
            mode: settings.mode,
            reloader: SettingsReloader::new(settings),
            is_unsettled: false,
            stopped_lanes: Vec::new(),
            hidden_by: String::new(),
        }
    }

    /// No event tells when `aq.toml` is whole.
    pub(super) fn is_unsettled(&self) -> bool {
        self.is_unsettled
    }

    pub(super) fn into_stopped_lanes(self) -> Vec<ShadowLane> {
        self.stopped_lanes
    }

    /// Turns ROUTE off, which counts from the next look at the settings. Returned is how far that reaches (none: the file
    /// says it already), or why it can't be done.
    pub(super) fn turn_route_off(&mut self, queue: &Queue) -> Result<Option<RollbackReach>, String> {
        let outcome = self.reloader.turn_route_off();
        match outcome.map_err(|error| terminal::error_chain(&error))? {
            RouteOffOutcome::Found => Ok(None),
            RouteOffOutcome::ForThisRun { hidden_by } => {
                self.hidden_by = hidden_by;
                Ok(Some(RollbackReach::OneRun))
            }
            RouteOffOutcome::ByFile { text, off } => match queue.replace_settings(&text, &off) {
                Ok(()) => Ok(Some(RollbackReach::SettingsFile)),
                Err(obstacle) => Err(format!("aq.toml can't be changed: {obstacle}")),
            },
        }
    }

    /// What goes before `aq.toml`, after ROUTE was turned off for this run alone.
    pub(super) fn hidden_by(&self) -> &str {
        &self.hidden_by
    }

    /// Looks at `aq.toml`, and turns to another mode if it says so.
    pub(super) fn reload(&mut self, world: &mut QueueWorld, presence: &RunnerPresence) {
        let changed = self.changed_settings(&mut world.progress);
        if let Some(settings) = changed.filter(|settings| settings.mode != self.mode)
            && let Err(error) = self.turn_to(&settings, world, presence)
        {
            progress::warn(&format!(
                "can't turn to route: {error}; the mode stays {}",
                self.mode
            ));
        }
    }

    fn changed_settings(&mut self, told: &mut RunProgress) -> Option<Settings> {
        let outcome = self.reloader.read();
        self.is_unsettled = matches!(outcome, ReloadOutcome::BeingWritten);
        match outcome {
            ReloadOutcome::Unchanged | ReloadOutcome::BeingWritten => None,
            ReloadOutcome::Invalid(problem) => {
                progress::warn(&format!("{problem}; until then all stays as it was"));
                None
            }
            ReloadOutcome::Changed {
                settings,
                without_effect,
            } => {
                without_effect.iter().for_each(|what| progress::warn(what));
                let warnings = settings.warnings();
                warnings.iter().for_each(|warning| told.warn_once(warning));
                Some(*settings)
            }
        }
    }

    fn turn_to(
        &mut self,
        settings: &Settings,
        world: &mut QueueWorld,
        presence: &RunnerPresence,
    ) -> Result<(), RunError> {
        let (engines, here) = (&world.engines, world.execution_context.folder());
        let routed = match settings.mode {
            Mode::Route => Some(RoutedSource::open(settings, engines, here, &presence.health)?),
            Mode::Offline | Mode::Local | Mode::Shadow => None,
        };
        progress::waiting(&format!("mode: {} instead of {}", settings.mode, self.mode));
        let before = std::mem::replace(&mut self.mode, settings.mode);
        presence.turned_to(settings);
        let source = &mut world.source;
        let (old_lane, skip) = match routed {
            Some(routed) => {
                world.queue.forget_routing_text();
                routed.report_permissions();
                (source.turn_to_route(routed), SkipReason::Route)
            }
            None => {
                let lane = ShadowLane::start(settings, &presence.health);
                (source.turn_to_local(lane), SkipReason::Stopped)
            }
        };
        if before == Mode::Route {
            handover_notice::tell(self.mode, &world.queue);
        }
        if let Some(lane) = old_lane {
            lane.give_up(skip);
            self.stopped_lanes.push(lane);
        }
        world.progress.forget_wait();
        Ok(())
    }
}
