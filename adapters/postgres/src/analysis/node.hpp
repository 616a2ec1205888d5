#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace querymark::postgres {

/// One part of a tree that the server has written out (`pg_node_tree`), whatever it is: the server's
/// versions differ in fields, not in how they are written.
class Node {
 public:
  enum class Kind : std::uint8_t {
    none,   ///< `<>`
    node,   ///< `{NAME :field value …}`
    list,   ///< `(a b c)`; the first item of one of numbers is its letter: `(i 1 2)`, `(b 8)`
    atom,   ///< A number, a word, or a text, its escapes taken out.
    datum,  ///< `4 [ 1 0 0 0 … ]`
  };

  /// Throws MalformedTree unless `text` is one tree.
  [[nodiscard]] static Node read(std::string_view text);

  [[nodiscard]] Kind kind() const noexcept { return kind_; }
  [[nodiscard]] bool none() const noexcept { return kind_ == Kind::none; }
  /// True for `{NAME …}`.
  [[nodiscard]] bool is(std::string_view name) const noexcept {
    return kind_ == Kind::node && text_ == name;
  }
  /// Of a node its name, of an atom its text, of a datum its bytes.
  [[nodiscard]] const std::string& text() const noexcept { return text_; }
  /// The items of a list; those of anything else are none.
  [[nodiscard]] const std::vector<Node>& items() const noexcept { return items_; }
  [[nodiscard]] const std::vector<std::pair<std::string, Node>>& fields() const noexcept {
    return fields_;
  }

  /// Whether there is a field of that name, which older or newer servers may lack.
  [[nodiscard]] bool has(std::string_view field) const noexcept { return find(field) != nullptr; }
  // Each throws MalformedTree where there is no such field, or another kind of value in it.
  [[nodiscard]] const Node& operator[](std::string_view field) const;
  [[nodiscard]] std::int64_t number(std::string_view field) const;
  [[nodiscard]] bool flag(std::string_view field) const;
  /// Empty for none.
  [[nodiscard]] const std::string& word(std::string_view field) const;
  /// Of a list of numbers: those.
  [[nodiscard]] std::vector<std::int64_t> numbers() const;

 private:
  friend class NodeReader;
  [[nodiscard]] const Node* find(std::string_view field) const noexcept;

  Kind kind_ = Kind::none;
  std::string text_;
  std::vector<Node> items_;
  std::vector<std::pair<std::string, Node>> fields_;
};

/// A tree is not what it is taken for: for who analyses, a reason to refuse.
struct MalformedTree {
  std::string what;
};

}  // namespace querymark::postgres
