#pragma once  // For writers of ports.

#include <array>
#include <atomic>
#include <boost/smart_ptr/intrusive_ptr.hpp>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "querymark/key/parameter.hpp"
#include "querymark/key/target.hpp"
#include "querymark/support/digest.hpp"

namespace querymark {

struct QueryRecord;

/// Under what a query runs, as far as it changes the result. Two queries with different scopes
/// never share a key.
struct Scope {
  std::string namespace_name{};
  /// The database's own identity, the same in every process that opens it.
  std::string database{};
  /// What the session pins: search path, role, time zone... Empty on SQLite.
  std::string session{};
  std::string caller{};  ///< The caller's own part, such as a tenant.
};

/// The part of a key that a prepared query encodes once: version, stored type, scope and SQL text.
/// Immutable; interned per cache, so that two prefixes of one table are equal exactly when their
/// addresses are. Shared by all entries of a query and counted once. The reference count lies
/// inside, so that an entry spends one word on it.
class KeyPrefix {
 public:
  /// `one_of_many`: of a statement for many keys, what it gives for one of them.
  enum class Form : std::uint8_t { sql = 1, named = 2, one_of_many = 3 };

  /// Appends the canonical encoding to `sink`. Throws ConfigError when a part is 4 GiB or larger.
  static void encode(std::string& sink, std::string_view stored_type, Form form, const Scope& scope,
                     std::string_view text);
  /// Throws as `encode` does.
  KeyPrefix(std::string_view stored_type, Form form, const Scope& scope, std::string_view text);

  [[nodiscard]] ByteView bytes() const noexcept { return bytes_; }
  /// The bytes after the stored type: what the query is, whatever it is stored as.
  [[nodiscard]] ByteView query_bytes() const noexcept {
    return ByteView(bytes_).substr(query_offset_);
  }
  /// The two parts of `query_bytes()` around the database's and the session's.
  [[nodiscard]] ByteView before_database() const noexcept {
    return ByteView(bytes_).substr(query_offset_, database_offset_ - query_offset_);
  }
  [[nodiscard]] ByteView after_session() const noexcept {
    return ByteView(bytes_).substr(session_end_);
  }
  /// The SQL text, verbatim, or the caller's key name.
  [[nodiscard]] std::string_view text() const noexcept {
    return ByteView(bytes_).substr(text_offset_);
  }
  /// From what the hashes of its keys are made.
  struct Seed {
    std::uint64_t hash;    ///< Of the prefix, under the process's secret.
    std::uint64_t secret;  ///< The process's: nobody outside can make keys collide.
  };
  [[nodiscard]] const Seed& seed() const noexcept { return seed_; }
  [[nodiscard]] Form form() const noexcept { return form_; }

  /// What it takes, with its place in the table that interns it.
  [[nodiscard]] std::size_t charge() const noexcept {
    constexpr std::size_t kTableBytes = 64;  // node, bucket, malloc
    return bytes_.size() + sizeof(KeyPrefix) + kTableBytes;
  }
  /// True while there is one reference to it. A hint, unless that one is the caller's.
  [[nodiscard]] bool has_one_owner() const noexcept {
    return references_.load(std::memory_order_relaxed) == 1;
  }

  /// Told when the last reference to one of its prefixes is gone.
  class Owner {
   public:
    virtual ~Owner() = default;
    virtual void forget(const KeyPrefix& prefix) noexcept = 0;
  };
  /// Prefixes that an owner interns keep it alive. Call before the first reference is made.
  void set_owner(std::shared_ptr<Owner> owner) noexcept { owner_ = std::move(owner); }
  /// Where its reads are counted. Call before the first reference is made; it must outlive them.
  void count_in(QueryRecord& record) noexcept { record_ = &record; }
  [[nodiscard]] QueryRecord& record() const noexcept { return *record_; }
  /// Adds a reference unless the last one is gone already.
  [[nodiscard]] bool add_reference_if_alive() const noexcept;

  friend void intrusive_ptr_add_ref(const KeyPrefix* prefix) noexcept {
    prefix->references_.fetch_add(1, std::memory_order_relaxed);
  }
  /// The last one out, told by release and acquire, sees all use of the others as done.
  friend void intrusive_ptr_release(const KeyPrefix* prefix) noexcept {
    if (prefix->references_.fetch_sub(1, std::memory_order_acq_rel) == 1) prefix->destroy();
  }

 private:
  void destroy() const noexcept;

  mutable std::atomic<std::size_t> references_{0};
  std::shared_ptr<Owner> owner_;
  std::string bytes_;
  std::size_t query_offset_ = 0;
  std::size_t database_offset_ = 0;
  std::size_t session_end_ = 0;
  std::size_t text_offset_ = 0;
  Form form_;
  Seed seed_{};
  QueryRecord* record_;  // beside the seed, which each call reads
};

using KeyPrefixRef = boost::intrusive_ptr<const KeyPrefix>;

/// A whole key, not owning: an interned prefix and the encoded parameters. The canonical encoding
/// is `prefix.bytes() + parameters`; equality is decided on all of it.
struct KeyView {
  const KeyPrefix* prefix = nullptr;
  ByteView parameters;

  friend bool operator==(const KeyView& a, const KeyView& b) noexcept {
    return a.prefix == b.prefix && a.parameters == b.parameters;
  }
};

/// The key of one call, as the read path carries it. Not owning.
struct CallKey {
  KeyView view;
  std::uint64_t hash = 0;  ///< Of the view, inside this process.
};

/// SHA-256 name of the query under which shared tiers know it. Independent of the stored type.
/// About 0.3 µs: for misses and intents, never for a hit.
[[nodiscard]] Digest query_name(const KeyView& key);

/// The target that a key intent for this query hits: whatever the session under which a reader runs
/// it, since who writes need not know the roles and time zones of those who read; and without the
/// database's id, which the log that carries the intent implies, and of which a process that has
/// run since before a restore may know the one before. (The key itself keeps both.) Costs as much
/// as `query_name`.
[[nodiscard]] Target key_target(const KeyView& key);

}  // namespace querymark
