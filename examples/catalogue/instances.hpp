#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "interrupts.hpp"
#include "tally.hpp"

namespace catalogue {

/// Programs to start.
struct Programs {
  std::string querymark;  ///< Migrations and worker.
  std::string service;    ///< The example service.
};

/// What the processes share.
struct SharedFiles {
  std::string database;    ///< A URL, as in backend_of.
  std::string tier;        ///< A path.
  std::string log_folder;  ///< Each process's messages go to a file of its own here.
};

/// Brings the database's querymark schema up to date, by the command that operators use. Throws
/// std::runtime_error with what it said.
void migrate(const Programs& programs, const SharedFiles& files, Interrupts& interrupts);

/// Has the catalogue's tables report what writes change in them, likewise. On PostgreSQL as a
/// superuser: else nothing would tell of changed definitions, and no answer be kept.
void track(const Programs& programs, const SharedFiles& files, Interrupts& interrupts);

struct InstanceOptions {
  std::int64_t seconds = 10;
  bool automatic = false;  ///< No tags and no intents; the tables are tracked.
  bool canary = false;
};

/// Runs the worker and two connected instances of the service as processes until their exercise is
/// over; returns what both have counted. `progress` gets the reads checked so far. However it ends,
/// no process is left. Throws std::runtime_error with the last words of a process that failed, and
/// Interrupted.
[[nodiscard]] Tally run_instances(const Programs& programs, const SharedFiles& files,
                                  const InstanceOptions& options, Interrupts& interrupts,
                                  const std::function<void(std::uint64_t)>& progress);

}  // namespace catalogue
