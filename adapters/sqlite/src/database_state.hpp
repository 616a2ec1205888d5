#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "analysis/pool_analyser.hpp"
#include "connection.hpp"
#include "querymark/database/backend.hpp"
#include "querymark/sqlite/database.hpp"
#include "querymark/sqlite/doorbell.hpp"
#include "querymark/sqlite/log.hpp"
#include "querymark/support/connection_pool.hpp"
#include "writer.hpp"

// Threads:
//
//   readers       take a connection from the pool, whose mutex is held for moments only
//   writers       take turns (Writer::Session); whoever has it uses the one writing connection, and
//                 SQLite's own write lock keeps other processes out
//   subscriber    its thread sleeps in the doorbell (which owns an idle connection) and reads the
//                 log through `log`
//
// A write: BEGIN IMMEDIATE -> the caller's function -> epoch and intents -> COMMIT -> marks, with
// the cursor moved over the own rows when they follow it directly -> otherwise catch up with the
// log. Either way the next load's horizon lies above the write (a load right after it would else be
// dead for every other process).
//
// A changed history: Log finds it, calls drain(): the pool closes its connections and the writer
// reopens its own before its next use. Only then do the marks restart, so a load stamped after the
// restart runs on a connection opened after the change.

namespace querymark::sqlite {

struct Database::State final : Backend {
  State(const std::string& where, Cache& cache, Options opts);

  [[nodiscard]] DatabaseCore& core() noexcept override { return core_; }
  [[nodiscard]] std::unique_ptr<WriteSession> begin_write(const SessionSettings& settings) override;
  [[nodiscard]] std::unique_ptr<ReadSession> begin_read(const SessionSettings& settings) override;
  [[nodiscard]] std::vector<std::string> reasons_at(Position position) override {
    return log.reasons_at(position);
  }
  [[nodiscard]] WriteFate resolve(const Receipt& receipt) override;
  [[nodiscard]] bool verify(const SharedStamp& stamp) override { return log.verify(stamp); }
  [[nodiscard]] LoadedRows load(std::string_view sql,
                                std::span<const ParameterView> parameters) override {
    return pool.acquire()->load(sql, parameters);
  }
  [[nodiscard]] Analyser* analyser() noexcept override { return &query_analyser; }

  [[nodiscard]] Connection::Settings settings() const;
  [[nodiscard]] std::unique_ptr<Connection> open_writer() const;
  // A connection to the file whose log the marks follow: what is read from another one must not get
  // their stamps, though the path led there for a moment. The log follows it first.
  [[nodiscard]] std::unique_ptr<Connection> open_reader();
  // Closes what is open on an old history.
  void drain() noexcept;

  // Opens the writer's connection anew until it is to the file that the path leads to.
  void follow_path();
  // Throws when the file is replaced faster than anyone can follow.
  void catch_up_with_path(int attempt);
  // The path leads to another file than the writer's, or others write another write-ahead log.
  [[nodiscard]] bool moved();
  // Whether the marks follow the file of this connection.
  [[nodiscard]] bool follows(sqlite3* connection) const;
  // Whether a pooled connection could answer this query, and its answer could be kept.
  [[nodiscard]] bool could_keep(std::string_view sql) noexcept;

  Options options;
  std::string path;
  ConnectionPool<Connection> pool;
  PoolAnalyser query_analyser{pool};
  Writer writer;
  Log log;
  FileDoorbell doorbell;
  const std::unique_ptr<Subscribers> subscribers = log.subscribers();
  DatabaseCore core_;
};

inline Database::State& Database::state() const noexcept { return static_cast<State&>(backend()); }

}  // namespace querymark::sqlite
