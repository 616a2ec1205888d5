#include "querymark/testing/call.hpp"

#include "querymark/support/counted.hpp"
#include "querymark/support/error.hpp"

namespace querymark::testing {
namespace {

ResultSet row_of(std::span<const ParameterView> parameters) {
  ResultSetBuilder builder;
  for (std::size_t i = 0; i < parameters.size(); ++i)
    builder.add_column("$" + std::to_string(i + 1));
  // A cell is never an array: it is what the database would be sent.
  for (const ParameterView parameter : parameters)
    builder.add(parameter.type() == ValueType::array ? ParameterView::text(parameter.as_view())
                                                     : parameter);
  if (parameters.empty()) builder.add_bare_row();
  return std::move(builder).build();
}

}  // namespace

Table::Table(std::initializer_list<std::string_view> columns)
    : columns_(columns.begin(), columns.end()) {}

void Table::add(std::span<const ParameterView> cells) {
  if (cells.size() != columns_.size())
    throw ConfigError("a table of " + counted(columns_.size(), "column") + " can't take a row of " +
                      counted(cells.size(), "cell"));
  for (const ParameterView cell : cells) cells_.push_back(OwnedParameter::copy_of(cell));
}

ResultSet Table::rows() const {
  ResultSetBuilder builder;
  for (const std::string& column : columns_) builder.add_column(column);
  for (const OwnedParameter& cell : cells_) builder.add(cell);
  return std::move(builder).build();
}

Call::Call(std::string_view sql, std::span<const ParameterView> parameters,
           const SessionSettings& settings, std::vector<Undo>* undo)
    : sql_(sql), parameters_(row_of(parameters)), settings_(settings), undo_(undo) {}

Field Call::operator[](std::size_t index) const {
  if (index >= size())
    throw TypeError("the statement was called with " + counted(size(), "parameter") +
                    ", and its answer asks for number " + std::to_string(index + 1) + ": " +
                    std::string(sql_));
  return parameters_.row(0)[index];
}

void Call::on_rollback(Undo undo) const {
  if (undo_ != nullptr) undo_->push_back(std::move(undo));
}

}  // namespace querymark::testing
