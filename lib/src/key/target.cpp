#include "querymark/key/target.hpp"

#include <algorithm>
#include <initializer_list>

#include "querymark/key/tracked.hpp"
#include "querymark/support/ascii.hpp"
#include "querymark/support/error.hpp"

namespace querymark {
namespace {

constexpr std::string_view kKindNames[] = {"key",        "tag",   "entity",
                                           "collection", "flush", "tracked"};

// Every `%` starts one of the escapes.
bool is_escaped(std::string_view text, std::initializer_list<std::string_view> escapes) noexcept {
  for (std::size_t at = text.find('%'); at != std::string_view::npos; at = text.find('%', at + 1))
    if (std::ranges::find(escapes, text.substr(at + 1, 2)) == escapes.end()) return false;
  return true;
}

bool is_text(std::string_view text) noexcept {
  return !text.empty() && text.size() <= Target::kMaxText && is_plain_utf8(text);
}

// As `escape_segment` could have written it.
bool is_canonical(std::string_view text) noexcept {
  return is_text(text) && is_escaped(text, {"25", "3A"});
}

// One that the functions of tracked.hpp could have made. They begin with what no canonical text begins
// with, so that texts alone tell tracked targets from tags.
bool is_tracked(std::string_view text) noexcept {
  return is_text(text) && is_tracked_text(text) &&
         is_escaped(text.substr(1), {"25", "3A", "2C", "2B"});
}

// One that `key_named` or `key_of` could have made. Another one, from a writer of its own spelling,
// would hit nothing.
bool is_key(std::string_view text) noexcept {
  constexpr std::string_view kName = "name:";
  constexpr std::string_view kQuery = "query:";
  if (text.starts_with(kName))
    return text.size() > kName.size() && text.find(':', kName.size()) == std::string_view::npos;
  if (!text.starts_with(kQuery) || text.size() != kQuery.size() + 2 * sizeof(Digest)) return false;
  return std::ranges::all_of(text.substr(kQuery.size()),
                             [](char c) { return ascii::is_digit(c) || (c >= 'a' && c <= 'f'); });
}

void append_escaped(std::string& text, std::string_view segment) {
  const auto special = [](char c) { return c == '%' || c == ':'; };
  for (;;) {
    const auto plain = std::ranges::find_if(segment, special);
    text.append(segment.begin(), plain);
    if (plain == segment.end()) return;
    text.append(*plain == '%' ? "%25" : "%3A");
    segment = {plain + 1, segment.end()};
  }
}

[[noreturn]] void reject(std::string_view text) {
  const std::string shown = to_hex(text.substr(0, 32));
  if (text.empty()) throw ConfigError("a target needs a name: its text is empty");
  if (text.size() > Target::kMaxText)
    throw ConfigError("a target of " + std::to_string(text.size()) + " bytes is longer than " +
                      std::to_string(Target::kMaxText) + "; hash long identifiers first");
  throw ConfigError("a target must be UTF-8 without NUL (bytes " + shown + "...)");
}

}  // namespace

std::string_view to_string(TargetKind kind) noexcept {
  return kKindNames[static_cast<std::size_t>(kind)];
}

std::string escape_segment(std::string_view segment) {
  std::string escaped;
  escaped.reserve(segment.size());
  append_escaped(escaped, segment);
  return escaped;
}

Target make_tag(TargetKind kind, const std::vector<std::string_view>& segments) {
  if (kind == TargetKind::entity && segments.size() < 2)
    throw ConfigError("an entity needs a kind and an id");
  std::size_t size = segments.size();
  for (const std::string_view segment : segments) size += segment.size();
  std::string text;
  text.reserve(size);
  for (std::size_t i = 0; i < segments.size(); ++i) {
    if (i > 0) text += ':';
    append_escaped(text, segments[i]);
  }
  if (!is_canonical(text)) reject(text);
  return {kind, std::move(text)};
}

Target flush_all() { return {TargetKind::flush, {}}; }

Target key_named(std::string_view name) {
  std::string text = "name:" + escape_segment(name);
  if (name.empty() || !is_canonical(text)) reject(name.empty() ? name : std::string_view(text));
  return {TargetKind::key, std::move(text)};
}

Target key_of(const Digest& name) { return {TargetKind::key, "query:" + name.hex()}; }

std::optional<Target> Target::from_log(std::string_view kind, std::string_view text) {
  for (std::size_t i = 0; i < std::size(kKindNames); ++i) {
    if (kind != kKindNames[i]) continue;
    const auto found = static_cast<TargetKind>(i);
    if (found == TargetKind::flush) return Target(found, {});
    if (found == TargetKind::tracked)
      return is_tracked(text) ? std::optional(Target(found, std::string(text))) : std::nullopt;
    if (!is_canonical(text)) return std::nullopt;
    if (found == TargetKind::entity && text.find(':') == std::string_view::npos)
      return std::nullopt;
    if (found == TargetKind::key && text.starts_with("sha256:")) return flush_all();
    if (found == TargetKind::key && !is_key(text)) return std::nullopt;
    return Target(found, std::string(text));
  }
  return std::nullopt;
}

std::string_view Target::identity_class() const noexcept {
  switch (kind_) {
    case TargetKind::key:
      return "key";
    case TargetKind::flush:
      return "flush";
    default:
      return "tag";
  }
}

Digest Target::hash() const { return sha256({"querymark-target-v1", identity_class(), text_}); }

TargetId Target::id() const noexcept {
  // The class has its own multiplier, so a key and a tag of the same text are different targets.
  const std::uint64_t salt = kind_ == TargetKind::key ? 0xD6E8FEB86659FD93ULL : 1ULL;
  return static_cast<TargetId>((process_hash(text_) * salt) >> 32U);
}

std::vector<TargetId> ids_of(std::span<const Target> targets) {
  std::vector<TargetId> ids;
  ids.reserve(targets.size());
  for (const Target& target : targets) ids.push_back(target.id());
  return ids;
}

}  // namespace querymark
