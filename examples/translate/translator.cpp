#include "translator.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <numeric>

#include "framework/data/batches.h"
#include "framework/data/text.h"
#include "framework/io/safetensors.h"

using namespace gradus;

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(TranslatorConfig, d_model, heads, d_ff, layers, dropout, norm_first, max_length, raw, toy, seed)

std::vector<std::string> Translator::words(const std::string& line) const {
  return config.raw ? tokenize(line) : split_words(line);
}

std::string Translator::text(const std::vector<std::string>& words) const {
  return config.raw ? detokenize(words) : join_words(words);
}

std::vector<std::string> Translator::translate(const std::vector<std::string>& lines) const {
  std::vector<Ids> sources;
  for (const auto& line : lines) {
    auto ids = source.encode(words(line));
    ids.resize(std::min(ids.size(), static_cast<std::size_t>(config.max_length)));
    ids.push_back(Vocabulary::end);
    sources.push_back(std::move(ids));
  }
  std::vector<std::size_t> order(lines.size());  // similar lengths together
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return sources[a].size() < sources[b].size(); });

  std::vector<std::string> translations(lines.size());
  constexpr std::size_t batch = 100;
  for (std::size_t first = 0; first < order.size(); first += batch) {
    std::vector<Ids> part;
    for (std::size_t i = first; i < std::min(order.size(), first + batch); ++i) part.push_back(sources[order[i]]);
    const auto said = model.generate(pad_sequences(part), {.start = Vocabulary::start, .end = Vocabulary::end});
    for (std::size_t i = 0; i < said.size(); ++i) translations[order[first + i]] = text(target.decode(said[i]));
  }
  return translations;
}

void Translator::save(const std::string& directory) const {
  std::filesystem::create_directories(directory);
  source.save(directory + "/source.vocabulary");
  target.save(directory + "/target.vocabulary");
  std::ofstream out(directory + "/config.json");
  out << nlohmann::json(config).dump(2) << "\n";
  if (!out.flush()) throw FileError("can't write " + directory + "/config.json");
  save_safetensors(directory + "/model.safetensors", state_dict(model));
}

Translator Translator::load(const std::string& directory) {
  const std::string file = directory + "/config.json";
  TranslatorConfig config;
  std::ifstream in(file);
  if (!in) throw FileError(file + ": no such file; is " + directory + " a run directory of translate train?");
  try {
    config = nlohmann::json::parse(in).get<TranslatorConfig>();
  } catch (const nlohmann::json::exception&) {
    throw FileError(file + ": is damaged");
  }
  Translator translator{config, Vocabulary::load(directory + "/source.vocabulary"), Vocabulary::load(directory + "/target.vocabulary")};
  load_state_dict(translator.model, load_safetensors(directory + "/model.safetensors"));
  eval(translator.model);
  return translator;
}
