//! Flags that change while a run is under way (clauses F-8 and T-11): each decision is made in the mode that counts then.
//!
//! What runs goes on as it began. A routed job ends under its lease, whatever the next decision is; a local one ends
//! as a local one.

use super::RunError;
use super::announce;
use super::routed::Routed;
use super::runner::Runner;
use crate::mode::Mode;
use crate::queue::Changes;
use crate::settings::{News, Settings};
use crate::shadow::{Lane, Skip};
use crate::stage::Stage;

impl Runner {
    /// Looks at `aq.toml`, and turns to another mode if it says so.
    pub(super) fn follow_settings(&mut self) {
        self.settings_unsettled = false;
        match self.reload.look() {
            News::Nothing => {}
            News::Unsettled => self.settings_unsettled = true,
            News::Bad(problem) => {
                announce::warn(&format!("{problem}; until then all stays as it was"));
            }
            News::Changed {
                settings,
                without_effect,
            } => {
                without_effect.iter().for_each(|what| announce::warn(what));
                let warnings = settings.warnings();
                warnings.iter().for_each(|warning| self.warn_once(warning));
                if settings.mode != self.mode {
                    self.turn_to(&settings);
                }
            }
        }
    }

    /// Looks whether a person paused the queue, or resumed it.
    pub(super) fn follow_pause(&mut self) -> Result<(), RunError> {
        let pause = self.queue.paused()?;
        match (&self.pause, &pause) {
            (None, Some(_)) => {
                announce::waiting("paused: no job is started, what runs goes on; `aq resume` ends it");
            }
            (Some(_), None) => {
                announce::waiting("resumed");
                self.wait_told = false;
            }
            _ => {}
        }
        self.pause = pause;
        Ok(())
    }

    /// Whether the pause kept this run from work that waits.
    pub(super) fn is_held_up(&self) -> Result<bool, RunError> {
        let held_up = self.pause.is_some()
            && self.stop.is_none()
            && (self.routes() || !self.queue.ids(Stage::Inbox)?.is_empty());
        if held_up {
            announce::warn("the queue is paused, what waits stays where it is: `aq resume`, then run again");
        }
        Ok(held_up)
    }

    /// Whether the next decision is the coordinator's.
    pub(super) fn routes(&self) -> bool {
        self.mode == Mode::Route
    }

    fn turn_to(&mut self, settings: &Settings) {
        if settings.mode == Mode::Route
            && let Err(error) = self.start_routing(settings)
        {
            announce::warn(&format!(
                "can't turn to route: {error}; the mode stays {}",
                self.mode
            ));
            return;
        }
        announce::waiting(&format!("mode: {} instead of {}", settings.mode, self.mode));
        self.mode = settings.mode;
        self.presence.turned_to(settings);
        match self.mode {
            Mode::Route => {
                self.routed.iter().for_each(Routed::tell_permissions);
                self.leave_lane(Skip::Route);
            }
            Mode::Offline | Mode::Local => self.leave_lane(Skip::Stopped),
            Mode::Shadow if self.lane.is_none() => {
                self.lane = Some(Lane::start(settings, &self.presence.health));
            }
            Mode::Shadow => {}
        }
        if let Some(routed) = self.routed.as_mut().filter(|_| self.mode != Mode::Route) {
            routed.rest();
        }
        // What happened in the inbox meanwhile was not looked at.
        self.changes = Changes::everything();
        self.idle_since_decision = None;
        self.wait_told = false;
    }

    fn start_routing(&mut self, settings: &Settings) -> Result<(), RunError> {
        let fresh = Routed::new(
            settings,
            &self.engines,
            self.around.folder(),
            &self.presence.health,
        )?;
        match &mut self.routed {
            // It still keeps the leases of what runs.
            Some(routed) => routed.resume(fresh),
            None => self.routed = Some(fresh),
        }
        Ok(())
    }

    fn leave_lane(&mut self, skip: Skip) {
        if let Some(lane) = self.lane.take() {
            lane.give_up(skip);
            self.lanes_left.push(lane);
        }
    }
}
