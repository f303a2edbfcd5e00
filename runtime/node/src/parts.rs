//! What roles are composed of: a file builds one part, with its collaborators as arguments. `dev` takes all of them,
//! `gateway`, `supervisor` and `agent` each its own; nothing is built in two ways.

mod advertise;
mod built_in;
mod configured;
mod costs;
mod failpoint;
mod found;
mod hooks;
mod hosts;
mod leave;
mod life;
mod links;
mod listen;
#[cfg(feature = "local-model")]
mod local;
mod models;
mod notice;
mod ollama;
mod open;
mod providers;
mod ready;
mod registration;
mod seat;
mod signals;
mod telemetry;
mod who;
mod world;

pub(crate) use built_in::{NAMES, host};
pub(crate) use configured::configured;
pub(crate) use costs::{nobodys as nobodys_accounts, open as open_accounts};
pub(crate) use hosts::Hosts;
pub(crate) use leave::Leave;
pub(crate) use life::{Books, Life, Role, run};
pub(crate) use links::links;
pub(crate) use listen::{bind, url};
#[cfg(feature = "local-model")]
pub(crate) use local::{show_progress, source as local_source};
pub(crate) use models::{build as build_models, dialects, start as start_providers};
pub(crate) use notice::{model_lines, notice};
pub(crate) use ollama::answers as ollama_answers;
pub(crate) use open::{Opened, open as open_store};
pub(crate) use providers::{Choice, Remote, choose, choose_given};
pub(crate) use ready::{Ready, ReadyFile};
pub(crate) use registration::{Entry, enter, process_name};
pub(crate) use seat::control_socket;
pub(crate) use who::{authenticator, dev_principal};
pub(crate) use world::World;
