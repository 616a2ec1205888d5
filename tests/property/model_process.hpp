#pragma once

#include <array>
#include <memory>
#include <optional>
#include <stdexcept>
#include <vector>

#include "property/process_lives.hpp"
#include "querymark/database/backend.hpp"
#include "querymark/database/database.hpp"
#include "querymark/read/many_reads.hpp"
#include "support/silent.hpp"

// One process over the model of a database, and what goes on in it.

namespace querymark::test {

class User;

/// A read that goes on step by step, or several, and what it is owed.
struct Reading {
  std::vector<std::unique_ptr<VersionRequest>> requests;
  std::unique_ptr<ReadMachine> machine;
  std::unique_ptr<ManyReads> many;
  std::optional<FlightLeader> lead;  // that it was handed
  ReadMachine::Action action = ReadMachine::Done{};
  std::optional<LoadedVersion> loaded;  // the answer is on its way
  bool begun = false, busy = false, background = false, demanding = false;

  MonotonicTime began;
  // All that was committed max_lag before it, or is included in its process's marks, when it began; that
  // was when these were last restarted; that its caller demands; what its user has written,
  // and has seen, where his reads do not go back; and what somebody was told to be everywhere.
  Versions lagging, applied, restarted, demanded, promised, seen, everywhere;
  std::shared_ptr<User> user;  // whose it is; null: nobody's
  [[nodiscard]] VersionRequest& request() const { return *requests.front(); }
};

/// What the backend of a model is never asked.
class NothingElse : public Backend {
 public:
  [[nodiscard]] LoadedRows load(std::string_view /*sql*/,
                                std::span<const ParameterView> /*parameters*/) override {
    throw std::logic_error("reads are driven by hand");
  }
  [[nodiscard]] std::unique_ptr<WriteSession> begin_write(
      const SessionSettings& /*settings*/) override {
    throw std::logic_error("writes are made by hand");
  }
  [[nodiscard]] std::unique_ptr<ReadSession> begin_read(
      const SessionSettings& /*settings*/) override {
    throw std::logic_error("transactions are the model's");
  }
  [[nodiscard]] WriteFate resolve(const Receipt& /*receipt*/) override {
    return WriteFate::unknown;
  }
};

/// How a process is opened.
struct ProcessOptions {
  SourceOptions source;
  SubscriberOptions subscriber;
  bool replica = false;
  Analyser* analyser = nullptr;
  Lives lives;
};

class Process final : public NothingElse {
 public:
  Process(ModelDatabase& database, ModelSubscribers& subscribers, const Clock& clock,
          const ProcessOptions& options)
      : log(database, subscribers),
        cache({.name = "process", .memory_bytes = 1U << 20U, .clock = &clock}),
        lives(options.lives),
        replica_(options.replica),
        analyser_(options.analyser),
        core_(cache, log, log, &log, doorbell_,
              {.source = options.source, .subscriber = options.subscriber}),
        source(core_.source),
        subscriber(core_.subscriber),
        own(core_.own) {}
  [[nodiscard]] DatabaseCore& core() noexcept override { return core_; }
  [[nodiscard]] bool has_replica() const noexcept override { return replica_; }
  [[nodiscard]] Analyser* analyser() noexcept override { return analyser_; }

  ProcessLog log;
  Cache cache;
  const Lives lives;

 private:
  bool replica_;
  Analyser* analyser_;
  SilentDoorbell doorbell_;
  DatabaseCore core_;

 public:
  Source& source;
  Subscriber& subscriber;
  OwnWrites& own;
  bool begun = false;
  bool polls = false;  // one look at the log at a time
  bool asks = false;   // and one at the others who follow it
  int busy = 0;        // in the middle of something: it does not end there
  Versions owed;       // by its own writes, waits and looks
  Versions restarted;  // what it included when its marks were last restarted
  std::uint64_t restarts = 0;
  std::vector<std::unique_ptr<Reading>> readings;
};

/// A process as its users have it.
class ProcessDatabase final : public Database {
 public:
  explicit ProcessDatabase(std::unique_ptr<Process> of)
      : Database(std::move(of)), process(static_cast<Process&>(backend())) {}

  Process& process;
};

/// While a process is in the middle of something.
struct Busy {
  explicit Busy(Process& process) : of(process) { ++of.busy; }
  Busy(const Busy&) = delete;
  Busy& operator=(const Busy&) = delete;
  ~Busy() { --of.busy; }
  Process& of;
};
/// While it looks at the log.
struct Polls : Busy {
  explicit Polls(Process& process) : Busy(process) { of.polls = true; }
  ~Polls() { of.polls = false; }
};

}  // namespace querymark::test
