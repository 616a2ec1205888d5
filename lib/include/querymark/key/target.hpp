#pragma once  // For users.

#include <array>
#include <concepts>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "querymark/key/type_kinds.hpp"
#include "querymark/support/digest.hpp"

namespace querymark {

/// What an intent can hit. `tracked`: what triggers report, see tracked.hpp; no user declares it.
enum class TargetKind : std::uint8_t { key, tag, entity, collection, flush, tracked };

[[nodiscard]] std::string_view to_string(TargetKind kind) noexcept;

/// Name of a target inside this process: a 32-bit hash under the process secret. Two targets with
/// the same id share their cells in the mark table, so taking one for the other can only cost a
/// miss; with 100,000 invalidated targets that befalls one other target in 40,000.
enum class TargetId : std::uint32_t {};

/// One thing that can be invalidated: a key, a tag, an entity, a collection or everything.
///
/// Entities and collections are canonical tags: segments joined by `:`, with `%` and `:` inside a
/// segment escaped as `%25` and `%3A`. So `entity("product", 7)` and `tag("product", "7")` are the
/// same target. A value type; immutable and thread-safe after construction.
class Target {
 public:
  /// Longest canonical text, in bytes. Longer identifiers should be hashed by the caller.
  static constexpr std::size_t kMaxText = 1024;

  /// Reads what a log row or a shared tier holds. Nothing when the kind is unknown or the text is
  /// not canonical: empty, too long, not UTF-8, with a stray `%`, or a key of another form. A key
  /// in the spelling of version 0.1, `sha256:<hex>`, named a query in one session alone: it is read
  /// as a flush.
  [[nodiscard]] static std::optional<Target> from_log(std::string_view kind, std::string_view text);

  [[nodiscard]] TargetKind kind() const noexcept { return kind_; }
  /// Canonical text: `product:7`, `query:<hex>` or `name:<segment>` for a key, empty for a flush.
  [[nodiscard]] const std::string& text() const noexcept { return text_; }
  [[nodiscard]] bool is_flush() const noexcept { return kind_ == TargetKind::flush; }

  /// Identity across processes: SHA-256 over (domain, class, text), each length-prefixed. Tags,
  /// entities and collections are one class.
  [[nodiscard]] Digest hash() const;
  /// Identity inside this process.
  [[nodiscard]] TargetId id() const noexcept;

  /// Equal when they invalidate the same entries: the kinds tag, entity and collection count as
  /// one.
  friend bool operator==(const Target& a, const Target& b) noexcept {
    return a.identity_class() == b.identity_class() && a.text_ == b.text_;
  }

 private:
  friend Target make_tag(TargetKind kind, const std::vector<std::string_view>& segments);
  friend Target flush_all();
  friend Target key_named(std::string_view name);
  friend Target key_of(const Digest& name);

  Target(TargetKind kind, std::string text) : kind_(kind), text_(std::move(text)) {}
  [[nodiscard]] std::string_view identity_class() const noexcept;

  TargetKind kind_;
  std::string text_;
};

[[nodiscard]] std::vector<TargetId> ids_of(std::span<const Target> targets);

/// Most targets that one cached value can carry.
inline constexpr std::size_t kMaxTargets = 1000;

/// Escapes `%` and `:` in one segment.
[[nodiscard]] std::string escape_segment(std::string_view segment);

/// Builds a tag-like target from raw segments. Throws ConfigError when the text would be empty,
/// longer than `Target::kMaxText`, not UTF-8, or would hold a NUL; or when an entity has no id.
[[nodiscard]] Target make_tag(TargetKind kind, const std::vector<std::string_view>& segments);

/// Everything in the namespace.
[[nodiscard]] Target flush_all();
/// A cached value that carries a caller's own key name.
[[nodiscard]] Target key_named(std::string_view name);
/// A cached query, by the SHA-256 name that `key_target` makes.
[[nodiscard]] Target key_of(const Digest& name);

namespace detail {

/// Text of one segment: strings as they are, integers in decimal, enumerations by their number.
template <class T>
  requires(std::integral<T> || Enumeration<T> || std::convertible_to<const T&, std::string_view>)
[[nodiscard]] std::string segment_text(const T& value) {
  if constexpr (std::same_as<T, bool>)
    return value ? "true" : "false";
  else if constexpr (std::integral<T>)
    return std::to_string(value);
  else if constexpr (Enumeration<T>)
    return segment_text(static_cast<std::underlying_type_t<T>>(value));
  else
    return std::string(std::string_view(value));
}

template <class... Segments>
[[nodiscard]] Target make_target(TargetKind kind, const Segments&... segments) {
  const std::string texts[] = {segment_text(segments)...};
  return make_tag(kind, {std::begin(texts), std::end(texts)});
}

}  // namespace detail

/// A tag of one or more segments: `tag("price-list")`, `tag("tenant", 7)`.
template <class... Segments>
[[nodiscard]] Target tag(const Segments&... segments) {
  static_assert(sizeof...(Segments) > 0, "a tag needs a name");
  return detail::make_target(TargetKind::tag, segments...);
}

/// One thing with an identity: `entity("product", 7)`; a composite id takes several segments.
template <class Kind, class... Id>
[[nodiscard]] Target entity(const Kind& kind, const Id&... id) {
  static_assert(sizeof...(Id) > 0, "an entity needs an id");
  return detail::make_target(TargetKind::entity, kind, id...);
}

/// A name for all things of a kind, as lists of them depend on it: `collection("product")`. It is a
/// name and no more: invalidating it does not reach what is tagged `entity("product", 7)`, and the
/// other way round. A change to one thing of a list concerns both: see `entity_and_collection`.
template <class... Segments>
[[nodiscard]] Target collection(const Segments&... segments) {
  static_assert(sizeof...(Segments) > 0, "a collection needs a name");
  return detail::make_target(TargetKind::collection, segments...);
}

/// Both targets of a change to one thing: itself, and the lists that it is or was in.
/// `tx.invalidate(entity_and_collection("product", 7))` reaches what is tagged
/// `entity("product", 7)` and what is tagged `collection("product")`.
template <class Kind, class... Id>
[[nodiscard]] std::array<Target, 2> entity_and_collection(const Kind& kind, const Id&... id) {
  return {entity(kind, id...), collection(kind)};
}

}  // namespace querymark
