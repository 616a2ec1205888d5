#include "querymark/postgres/types.hpp"

#include "float_text.hpp"
#include "values.hpp"

namespace querymark::postgres {
namespace {

void append_quoted(std::string& text, std::string_view element) {
  text += '"';
  for (const char c : element) {
    if (c == '"' || c == '\\') text += '\\';
    text += c;
  }
  text += '"';
}

bool is_blank(char c) noexcept {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\v' || c == '\f';
}

// Reads the text of a one-dimensional array, which nobody vouches for: a column of type text may be
// read as an array, too.
class ArrayReader {
 public:
  ArrayReader(const Field& cell, std::string_view text, char delimiter)
      : cell_(cell), text_(text), delimiter_(delimiter) {}

  // Calls `take` with each element's text, or with nothing for NULL.
  template <class Take>
  void read(Take&& take) {
    skip_bounds();
    expect('{');
    if (peek() == '}') {
      ++at_;
    } else {
      for (;;) {
        take(element());
        if (peek() == '}') break;
        expect(delimiter_);
      }
      expect('}');
    }
    if (at_ != text_.size()) malformed();
  }

 private:
  [[noreturn]] void malformed() const {
    cell_.fail("an array such as {1,2} (malformed at byte " + std::to_string(at_) + ')');
  }
  [[nodiscard]] char peek() const {
    if (at_ == text_.size()) malformed();
    return text_[at_];
  }
  void expect(char c) {
    if (peek() != c) malformed();
    ++at_;
  }
  // An array that does not begin at 1 says so: [0:2]={a,b,c}.
  void skip_bounds() {
    if (!text_.starts_with('[')) return;
    const std::size_t equals = text_.find('=');
    if (equals == std::string_view::npos) malformed();
    at_ = equals + 1;
  }
  std::optional<std::string> element() {
    if (peek() == '{')
      cell_.fail("an array of one dimension (unnest an array of arrays in the SQL)");
    return peek() == '"' ? quoted() : plain();
  }
  std::optional<std::string> quoted() {
    std::string value;
    for (++at_; peek() != '"'; ++at_) {
      if (text_[at_] == '\\') ++at_;
      value += peek();
    }
    ++at_;
    return value;
  }
  // The server quotes whatever holds a brace, a quote, a backslash, the delimiter or white space.
  std::optional<std::string> plain() {
    const std::size_t begin = at_;
    while (peek() != delimiter_ && peek() != '}') {
      const char c = text_[at_];
      if (c == '{' || c == '"' || c == '\\' || is_blank(c)) malformed();
      ++at_;
    }
    if (at_ == begin) malformed();
    std::string value(text_.substr(begin, at_ - begin));
    if (value == "NULL") return std::nullopt;
    return value;
  }

  const Field& cell_;
  std::string_view text_;
  char delimiter_;
  std::size_t at_ = 0;
};

}  // namespace

ArrayBuilder& ArrayBuilder::add(ParameterView element) {
  text_ += text_.empty() ? '{' : delimiter_;
  if (element.type() == ValueType::array || element.type() == ValueType::list)
    throw ConfigError("an array of arrays can't be a parameter; pass one array and its width");
  const auto text = text_of(element);
  if (!text)
    text_ += "NULL";
  else if (element.has_bytes() || element.type() == ValueType::timestamp)
    append_quoted(text_, *text);
  else
    text_ += *text;
  if (element_ == ValueType::null) element_ = element.type();
  return *this;
}

OwnedParameter ArrayBuilder::build() && {
  text_ += text_.empty() ? "{}" : "}";
  return {ParameterView::array(element_, {}), std::move(text_)};
}

ResultSet elements_of(const Field& array, ElementsAs as) {
  if (array.type() != ValueType::text) array.fail("an array");
  const std::string_view type = array.declared_type();
  const bool named = type.ends_with("[]");
  std::string_view element_type = named ? type.substr(0, type.size() - 2) : "";
  if (named && !is_known_type(element_type)) {
    // A domain, say, which is named by its own name and spelled as what it is over.
    if (as == ElementsAs::number) element_type = "numeric";
    if (as == ElementsAs::boolean) element_type = "boolean";
    if (as == ElementsAs::bytes) element_type = "bytea";
  }
  // All built-in types but one part their elements by commas.
  ArrayReader reader(array, array.view(), type == "box[]" ? ';' : ',');
  ResultSetBuilder builder;
  builder.add_column(std::string(array.name()) + "[]", element_type);
  reader.read([&](const std::optional<std::string>& element) {
    add_cell(builder, element_type,
             element ? std::optional<std::string_view>(*element) : std::nullopt);
  });
  return std::move(builder).build();
}

std::string cell_text(const Field& cell) {
  switch (cell.type()) {
    case ValueType::boolean:
      return cell.as<bool>() ? "t" : "f";
    case ValueType::int64:
      return std::to_string(cell.as<std::int64_t>());
    case ValueType::float64:
      return cell.declared_type() == "real" ? float_text(static_cast<float>(cell.as<double>()))
                                            : float_text(cell.as<double>());
    case ValueType::bytes:
      return *text_of(ParameterView::bytes(cell.view()));
    case ValueType::text:
      return std::string(cell.view());
    case ValueType::null:
    case ValueType::array:
    case ValueType::list:
    case ValueType::timestamp:
      break;
  }
  cell.fail("a value");
}

}  // namespace querymark::postgres
