#include "report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "framework/data/text.h"
#include "framework/error.h"
#include "framework/ops.h"
#include "translator.h"

using namespace gradus;
using nlohmann::json;

namespace {

std::string escape(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '&') out += "&amp;";
    else if (c == '<') out += "&lt;";
    else if (c == '>') out += "&gt;";
    else if (c == '"') out += "&quot;";
    else if (c == '\'') out += "&#39;";
    else out += c;
  }
  return out;
}

struct Series {
  std::string name, color;
  std::vector<std::pair<double, double>> points;
};

// What metrics.jsonl says of a quantity: (step, value).
Series series(const std::vector<json>& lines, const std::string& key, const std::string& name,
              const std::string& color) {
  Series s{name, color, {}};
  for (const auto& line : lines) {
    if (line.contains(key) && line[key].is_number())
      s.points.emplace_back(line["step"].get<double>(), line[key].get<double>());
  }
  return s;
}

// A round number near `span` / 5: 1, 2 or 5 times a power of ten.
double tick_width(double span) {
  const double rough = span / 5, power = std::pow(10, std::floor(std::log10(rough))), lead = rough / power;
  return power * (lead < 1.5 ? 1 : lead < 3.5 ? 2 : lead < 7.5 ? 5 : 10);
}

std::string chart(const std::string& title, const std::vector<Series>& all) {
  double left = 0, right = 1, low = std::numeric_limits<double>::infinity(), high = -low;
  for (const auto& s : all) {
    for (const auto& [x, y] : s.points) right = std::max(right, x), low = std::min(low, y), high = std::max(high, y);
  }
  if (!(low <= high)) return "";
  if (low > 0) low = 0;
  if (high == low) high = low + 1;
  constexpr double width = 560, height = 240, x0 = 60, y0 = 200, w = 480, h = 170;
  const auto px = [&](double x) { return x0 + w * (x - left) / (right - left); };
  const auto py = [&](double y) { return y0 - h * (y - low) / (high - low); };
  std::string out =
      fmt::format("<figure><figcaption>{}</figcaption><svg viewBox='0 0 {} {}' role='img' aria-label='{}'>", title,
                  width, height, title);
  for (double y = std::ceil(low / tick_width(high - low)) * tick_width(high - low); y <= high;
       y += tick_width(high - low)) {
    out += fmt::format(
        "<line class='grid' x1='{}' x2='{}' y1='{:.1f}' y2='{:.1f}'/><text x='{}' y='{:.1f}' "
        "text-anchor='end'>{:.6g}</text>",
        x0, x0 + w, py(y), py(y), x0 - 6, py(y) + 4, std::abs(y) < 1e-12 ? 0 : y);
  }
  for (double x = 0; x <= right; x += tick_width(right)) {
    out += fmt::format("<text x='{:.1f}' y='{}' text-anchor='middle'>{:g}</text>", px(x), y0 + 18, x);
  }
  out += fmt::format("<text x='{}' y='{}' text-anchor='end'>updates</text>", x0 + w, y0 + 34);
  double legend = x0;
  for (const auto& s : all) {
    if (s.points.empty()) continue;
    out += fmt::format("<polyline fill='none' stroke='{}' stroke-width='1.6' points='", s.color);
    for (const auto& [x, y] : s.points) out += fmt::format("{:.1f},{:.1f} ", px(x), py(y));
    out += "'/>";
    if (s.points.size() == 1)
      out += fmt::format("<circle cx='{:.1f}' cy='{:.1f}' r='3' fill='{}'/>", px(s.points[0].first),
                         py(s.points[0].second), s.color);
    out += fmt::format("<rect x='{}' y='12' width='10' height='10' fill='{}'/><text x='{}' y='21'>{}</text>", legend,
                       s.color, legend + 15, s.name);
    legend += 40 + 7 * static_cast<double>(s.name.size());
  }
  return out + "</svg></figure>\n";
}

// Rows: pieces of the translation and its end; columns: pieces of the source; the darker, the more it looked there.
std::string attention_map(const Translator& t, const std::string& line, const Translation& said) {
  const Tensor weights = t.attention(line, said);  // (t,s)
  const auto w = weights.to_vector();
  const Ids source = t.source_ids(line);
  const auto columns = static_cast<std::size_t>(weights.size(1)), rows = static_cast<std::size_t>(weights.size(0));
  constexpr double cell = 22, margin = 110;
  std::string out =
      fmt::format("<svg class='map' style='width:{0}px' viewBox='0 0 {0} {1}' role='img' aria-label='attention'>",
                  margin + cell * static_cast<double>(columns) + 10, margin + cell * static_cast<double>(rows) + 4);
  for (std::size_t c = 0; c < columns; ++c) {
    const double x = margin + cell * (static_cast<double>(c) + 0.65);
    out += fmt::format("<text transform='translate({:.1f} {}) rotate(-60)'>{}</text>", x, margin - 6,
                       escape(t.source->piece(source[c])));
  }
  for (std::size_t r = 0; r < rows; ++r) {
    const double y = margin + cell * static_cast<double>(r);
    const std::string piece = t.target->piece(r < said.ids.size() ? said.ids[r] : Vocabulary::end);
    out += fmt::format("<text x='{}' y='{:.1f}' text-anchor='end'>{}</text>", margin - 6, y + 15, escape(piece));
    for (std::size_t c = 0; c < columns; ++c) {
      out += fmt::format(
          "<rect x='{}' y='{}' width='{}' height='{}' fill='#1f5fbf' "
          "fill-opacity='{:.3f}'><title>{:.3f}</title></rect>",
          margin + cell * static_cast<double>(c), y, cell - 1, cell - 1, w[r * columns + c], w[r * columns + c]);
    }
  }
  return out + "</svg>";
}

std::vector<json> read_metrics(const std::string& path) {
  std::vector<json> lines;
  for (const auto& line : read_lines(path)) {
    const json parsed = json::parse(line, nullptr, false);
    if (!parsed.is_object() || !parsed.contains("step") || !parsed["step"].is_number())
      throw FileError(path + ": is damaged");
    lines.push_back(parsed);
  }
  return lines;
}

// "- source  \n  reference  \n  **translation**\n" of each sample, as the run log has them
std::string sample_rows(const std::string& markdown) {
  std::string rows;
  for (std::size_t at = 0; (at = markdown.find("- ", at)) != std::string::npos;) {
    std::size_t stop = markdown.find("\n- ", at);
    stop = stop == std::string::npos ? markdown.size() : stop;
    const std::string item = markdown.substr(at + 2, stop - at - 2);
    const std::size_t one = item.find("  \n  "), two = item.find("  \n  **", one + 1);
    if (one != std::string::npos && two != std::string::npos) {
      const std::string said = item.substr(two + 7, item.rfind("**") - two - 7);
      rows += fmt::format("<tr><td>{}</td><td>{}</td><td>{}</td></tr>", escape(item.substr(0, one)),
                          escape(item.substr(one + 5, two - one - 5)), escape(said));
    }
    at = stop;
  }
  return rows;
}

constexpr const char* style = R"(
body { font: 15px/1.5 system-ui, sans-serif; color: #1c2430; background: #fff; margin: 2rem auto; max-width: 1180px; padding: 0 1rem }
h1 { font-size: 1.5rem } h2 { font-size: 1.15rem; margin-top: 2rem }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(460px, 1fr)); gap: 1rem }
figure { margin: 0 } figcaption { font-weight: 600 }
svg { width: 100%; height: auto } svg.map { display: block; max-width: 100%; margin: .5rem 0 1.5rem }
svg text { font-size: 12px; fill: #3a4554 } .grid { stroke: #dfe4ea }
table { border-collapse: collapse; width: 100% } td, th { border-bottom: 1px solid #dfe4ea; padding: .25rem .6rem; text-align: left; vertical-align: top }
details { margin: .3rem 0 } code { background: #f2f4f7; padding: .1rem .3rem; overflow-wrap: anywhere }
)";

}  // namespace

std::string write_report(const std::string& directory) {
  const Translator translator = Translator::load(directory);
  const auto lines = read_metrics(directory + "/metrics.jsonl");
  std::ifstream config_file(directory + "/config.json");
  const json config = json::parse(config_file);
  std::string about_command;
  try {
    about_command = config.at("about").value("command", "");
  } catch (const json::exception&) {
    throw FileError(directory + "/config.json: is damaged, or of another version");
  }

  std::string html = fmt::format(
      "<!doctype html><html lang='en'><head><meta "
      "charset='utf-8'><title>{0}</title><style>{1}</style></head><body>\n<h1>{0}</h1>\n",
      escape("translate: " + directory), style);
  html += fmt::format("<p><code>{}</code></p>\n<div class='charts'>\n", escape(about_command));
  html +=
      chart("Loss per target word or subword", {series(lines, "loss/training", "training (smoothed labels)", "#c0392b"),
                                                series(lines, "loss/validation", "validation", "#1f5fbf")});
  html += chart("BLEU of validation sentences", {series(lines, "bleu", "greedy", "#1f8f4e")});
  html += chart("Learning rate", {series(lines, "learning_rate", "rate", "#8e44ad")});
  html += chart("Throughput", {series(lines, "tokens_per_second", "target tokens a second", "#b9770e")});
  html += "</div>\n<h2>Sample translations</h2>\n";

  const std::string head = "<table><tr><th>Source</th><th>Reference</th><th>Translation</th></tr>";
  std::vector<const json*> samples;
  for (const auto& line : lines) {
    if (line.contains("samples") && line["samples"].is_string()) samples.push_back(&line);
  }
  for (auto it = samples.rbegin(); it != samples.rend(); ++it) {
    const json& line = **it;
    html += fmt::format("<details{}><summary>after update {}</summary>{}{}</table></details>\n",
                        it == samples.rbegin() ? " open" : "", line["step"].get<std::int64_t>(), head,
                        sample_rows(line["samples"].get<std::string>()));
  }

  html +=
      "<h2>Where the model looked</h2>\n<p>Attention of the last decoder layer, mean over its heads. Rows are written "
      "from top to bottom; "
      "the darker a cell, the more its column was looked at.</p>\n";
  std::ifstream sample_file(directory + "/samples.txt");
  for (std::string line; std::getline(sample_file, line);) {
    const Translation said = translator.translate({line}).front().front();
    html += fmt::format("<p>{}<br><b>{}</b></p>{}\n", escape(line), escape(said.text),
                        attention_map(translator, line, said));
  }

  html += "<h2>Settings</h2>\n<table>";
  for (const auto& part : {"about", "translator"}) {
    for (const auto& [key, value] : config[part].items()) {
      html += fmt::format("<tr><td>{}</td><td>{}</td></tr>", escape(key),
                          escape(value.is_string() ? value.get<std::string>() : value.dump()));
    }
  }
  html += "</table>\n</body></html>\n";

  const std::string path = directory + "/report.html";
  std::ofstream out(path);
  out << html;
  if (!out.flush()) throw FileError(path + ": can't write");
  return path;
}
