#include "node.hpp"

#include <charconv>

namespace querymark::postgres {

/// Reads what the server's outfuncs.c writes.
class NodeReader {
 public:
  explicit NodeReader(std::string_view text) noexcept : text_(text) {}

  [[nodiscard]] Node whole() {
    Node node = value();
    skip_blank();
    if (at_ != text_.size()) malformed("something behind its end");
    return node;
  }

 private:
  // More than any query nests that a person or a program writes.
  static constexpr int kDeepest = 2000;

  [[noreturn]] void malformed(std::string what) const {
    throw MalformedTree{"the server's tree has " + std::move(what) + " at byte " +
                        std::to_string(at_)};
  }
  void skip_blank() noexcept {
    while (at_ < text_.size() && is_blank(text_[at_])) ++at_;
  }
  static bool is_blank(char c) noexcept { return c == ' ' || c == '\n' || c == '\t'; }
  static bool ends_token(char c) noexcept {
    return is_blank(c) || c == '(' || c == ')' || c == '{' || c == '}';
  }
  [[nodiscard]] char peek() {
    skip_blank();
    if (at_ == text_.size()) malformed("no end");
    return text_[at_];
  }
  // As pg_strtok does: a backslash makes the next character an ordinary one.
  [[nodiscard]] std::string_view token() {
    skip_blank();
    const std::size_t begin = at_;
    while (at_ < text_.size() && !ends_token(text_[at_])) at_ += text_[at_] == '\\' ? 2 : 1;
    if (at_ > text_.size()) malformed("no end");
    if (begin == at_) malformed("no value");
    return text_.substr(begin, at_ - begin);
  }
  static std::string unescaped(std::string_view token) {
    if (token.size() >= 2 && token.front() == '"' && token.back() == '"')
      token = token.substr(1, token.size() - 2);
    std::string text;
    for (std::size_t at = 0; at < token.size(); ++at) {
      if (token[at] == '\\' && at + 1 < token.size()) ++at;
      text += token[at];
    }
    return text;
  }

  Node value() {
    if (++depth_ > kDeepest) malformed("too deep a nesting");
    Node node = at_value();
    --depth_;
    return node;
  }
  Node at_value() {
    const char first = peek();
    if (first == '{') return node();
    if (first == '(') return list();
    Node atom;
    const std::string_view text = token();
    if (text == "<>") return atom;
    atom.kind_ = Node::Kind::atom;
    atom.text_ = unescaped(text);
    const std::size_t behind = at_;
    skip_blank();
    if (at_ < text_.size() && text_[at_] == '[') return datum(atom.text_);
    at_ = behind;
    return atom;
  }
  Node node() {
    Node node;
    node.kind_ = Node::Kind::node;
    ++at_;
    node.text_ = token();
    while (peek() != '}') {
      const std::string_view field = token();
      if (field.size() < 2 || field[0] != ':') malformed("no name of a field");
      node.fields_.emplace_back(field.substr(1), value());
    }
    ++at_;
    return node;
  }
  Node list() {
    Node list;
    list.kind_ = Node::Kind::list;
    ++at_;
    while (peek() != ')') list.items_.push_back(value());
    ++at_;
    return list;
  }
  // What a Datum holds, byte by byte.
  Node datum(std::string_view length) {
    Node datum;
    datum.kind_ = Node::Kind::datum;
    ++at_;
    while (peek() != ']') {
      const auto byte = to_number(token());
      if (!byte || *byte < -128 || *byte > 255) malformed("no byte");
      datum.text_ += static_cast<char>(*byte);
    }
    ++at_;
    const auto said = to_number(length);
    // One that is passed by value is written in full, whatever its length.
    if (!said || *said < 0 || static_cast<std::size_t>(*said) > datum.text_.size())
      malformed("a datum of another length than it says");
    return datum;
  }

 public:
  static std::optional<std::int64_t> to_number(std::string_view text) noexcept {
    std::int64_t number = 0;
    const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (failure != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return number;
  }

 private:
  std::string_view text_;
  std::size_t at_ = 0;
  int depth_ = 0;
};

Node Node::read(std::string_view text) { return NodeReader(text).whole(); }

const Node* Node::find(std::string_view field) const noexcept {
  for (const auto& [name, value] : fields_)
    if (name == field) return &value;
  return nullptr;
}

const Node& Node::operator[](std::string_view field) const {
  const Node* found = find(field);
  if (found == nullptr)
    throw MalformedTree{std::string("the server's tree has no field ")
                            .append(field)
                            .append(" in what it calls ")
                            .append(text_)};
  return *found;
}

std::int64_t Node::number(std::string_view field) const {
  const Node& value = (*this)[field];
  const auto number = value.kind_ == Kind::atom ? NodeReader::to_number(value.text_) : std::nullopt;
  if (!number)
    throw MalformedTree{std::string("the server's tree has no number in the field ").append(field)};
  return *number;
}

bool Node::flag(std::string_view field) const {
  const Node& value = (*this)[field];
  if (value.kind_ != Kind::atom || (value.text_ != "true" && value.text_ != "false"))
    throw MalformedTree{
        std::string("the server's tree has neither true nor false in the field ").append(field)};
  return value.text_ == "true";
}

const std::string& Node::word(std::string_view field) const {
  const Node& value = (*this)[field];
  if (value.kind_ != Kind::atom && value.kind_ != Kind::none)
    throw MalformedTree{std::string("the server's tree has no word in the field ").append(field)};
  return value.text_;
}

std::vector<std::int64_t> Node::numbers() const {
  std::vector<std::int64_t> numbers;
  for (std::size_t at = 1; at < items_.size(); ++at) {
    const auto number = NodeReader::to_number(items_[at].text_);
    if (!number) throw MalformedTree{"the server's tree has a list without numbers"};
    numbers.push_back(*number);
  }
  return numbers;
}

}  // namespace querymark::postgres
