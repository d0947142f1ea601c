#include "translator.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <numeric>

#include "framework/data/batches.h"
#include "framework/io/safetensors.h"

using namespace gradus;

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(TranslatorConfig, d_model, heads, d_ff, layers, dropout, attention_dropout, inner_dropout, norm_first,
                                   max_length, raw, subwords, vocab_size, min_frequency, shared_vocab, toy, seed)

namespace {

bool in_words(const TranslatorConfig& config) { return config.subwords == "none"; }

Translator::TokenizerPtr learn(const TranslatorConfig& c, const std::vector<std::string>& lines) {
  if (in_words(c)) return std::make_shared<WordTokenizer>(WordTokenizer::build(lines, c.raw, c.min_frequency, c.vocab_size));
  const auto kind = c.subwords == "bpe" ? SubwordTokenizer::Kind::bpe : SubwordTokenizer::Kind::unigram;
  return std::make_shared<SubwordTokenizer>(SubwordTokenizer::train(lines, c.vocab_size, kind, c.raw));
}

// "source.vocabulary", "target.model"; a shared one is the source's.
std::string file(const TranslatorConfig& c, const std::string& directory, const char* side) {
  return directory + "/" + (c.shared_vocab ? "shared" : side) + (in_words(c) ? ".vocabulary" : ".model");
}

Translator::TokenizerPtr load_tokenizer(const TranslatorConfig& c, const std::string& path) {
  if (in_words(c)) return std::make_shared<WordTokenizer>(WordTokenizer::load(path, c.raw));
  return std::make_shared<SubwordTokenizer>(SubwordTokenizer::load(path));
}

}  // namespace

std::vector<std::string> Translator::translate(const std::vector<std::string>& lines) const {
  std::vector<Ids> sources;
  for (const auto& line : lines) {
    auto ids = source->encode(line);
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
    const auto said = models::greedy(*model.decoding(pad_sequences(part)));
    for (std::size_t i = 0; i < said.size(); ++i) translations[order[first + i]] = target->decode(said[i]);
  }
  return translations;
}

Translator Translator::make(const TranslatorConfig& config, const std::vector<std::string>& source, const std::vector<std::string>& target) {
  if (config.shared_vocab) {
    auto both = source;
    both.insert(both.end(), target.begin(), target.end());
    const auto shared = learn(config, both);
    return {config, shared, shared};
  }
  return {config, learn(config, source), learn(config, target)};
}

void Translator::save_config(const std::string& directory) const {
  std::filesystem::create_directories(directory);
  source->save(file(config, directory, "source"));
  if (target != source) target->save(file(config, directory, "target"));
  std::ofstream out(directory + "/config.json");
  out << nlohmann::json(config).dump(2) << "\n";
  if (!out.flush()) throw FileError("can't write " + directory + "/config.json");
}

void Translator::save_weights(const std::string& directory) const {
  save_safetensors(directory + "/model.safetensors", state_dict(model));
}

Translator Translator::load(const std::string& directory) {
  const std::string path = directory + "/config.json";
  TranslatorConfig config;
  std::ifstream in(path);
  if (!in) throw FileError(path + ": no such file; is " + directory + " a run directory of translate train?");
  try {
    config = nlohmann::json::parse(in).get<TranslatorConfig>();
  } catch (const nlohmann::json::exception&) {
    throw FileError(path + ": is damaged, or of another version");
  }
  const auto source = load_tokenizer(config, file(config, directory, "source"));
  Translator translator{config, source, config.shared_vocab ? source : load_tokenizer(config, file(config, directory, "target"))};
  load_state_dict(translator.model, load_safetensors(directory + "/model.safetensors"));
  eval(translator.model);
  return translator;
}
