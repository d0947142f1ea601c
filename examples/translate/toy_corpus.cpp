#include "toy_corpus.h"

#include <set>

#include "framework/random.h"

namespace {

// ---- the lexicon

struct Noun {
  std::string english, english_plural, french, french_plural;
  bool feminine;
};
const std::vector<Noun> beings{
    {"man", "men", "homme", "hommes", false},       {"woman", "women", "femme", "femmes", true},
    {"boy", "boys", "garçon", "garçons", false},    {"girl", "girls", "fille", "filles", true},
    {"child", "children", "enfant", "enfants", false}, {"king", "kings", "roi", "rois", false},
    {"queen", "queens", "reine", "reines", true},   {"doctor", "doctors", "médecin", "médecins", false},
    {"cat", "cats", "chat", "chats", false},        {"dog", "dogs", "chien", "chiens", false},
    {"bird", "birds", "oiseau", "oiseaux", false},  {"horse", "horses", "cheval", "chevaux", false},
    {"cow", "cows", "vache", "vaches", true},       {"mouse", "mice", "souris", "souris", true},
    {"goat", "goats", "chèvre", "chèvres", true},     {"hen", "hens", "poule", "poules", true}};
const std::vector<Noun> things{
    {"apple", "apples", "pomme", "pommes", true},    {"book", "books", "livre", "livres", false},
    {"car", "cars", "voiture", "voitures", true},    {"house", "houses", "maison", "maisons", true},
    {"tree", "trees", "arbre", "arbres", false},     {"table", "tables", "table", "tables", true},
    {"letter", "letters", "lettre", "lettres", true}, {"cake", "cakes", "gâteau", "gâteaux", false},
    {"flower", "flowers", "fleur", "fleurs", true},  {"hat", "hats", "chapeau", "chapeaux", false},
    {"key", "keys", "clé", "clés", true},            {"boat", "boats", "bateau", "bateaux", false},
    {"chair", "chairs", "chaise", "chaises", true},  {"egg", "eggs", "œuf", "œufs", false},
    {"knife", "knives", "couteau", "couteaux", false}, {"school", "schools", "école", "écoles", true}};

struct Adjective {
  std::string english, masculine, feminine, masculines;
  std::string before_vowel;  // masculine singular, "" when it does not change
  bool in_front;
  std::string feminines() const { return feminine + "s"; }
};
const std::vector<Adjective> adjectives{
    {"big", "grand", "grande", "grands", "", true},       {"small", "petit", "petite", "petits", "", true},
    {"beautiful", "beau", "belle", "beaux", "bel", true}, {"old", "vieux", "vieille", "vieux", "vieil", true},
    {"new", "nouveau", "nouvelle", "nouveaux", "nouvel", true}, {"good", "bon", "bonne", "bons", "", true},
    {"young", "jeune", "jeune", "jeunes", "", true},      {"pretty", "joli", "jolie", "jolis", "", true},
    {"red", "rouge", "rouge", "rouges", "", false},       {"black", "noir", "noire", "noirs", "", false},
    {"white", "blanc", "blanche", "blancs", "", false},   {"green", "vert", "verte", "verts", "", false},
    {"blue", "bleu", "bleue", "bleus", "", false},        {"grey", "gris", "grise", "gris", "", false},
    {"strange", "étrange", "étrange", "étranges", "", false}, {"expensive", "cher", "chère", "chers", "", false}};
const std::vector<Adjective> moods{  // what only beings are, and only after "to be"
    {"tired", "fatigué", "fatiguée", "fatigués", "", false}, {"happy", "heureux", "heureuse", "heureux", "", false},
    {"sad", "triste", "triste", "tristes", "", false},       {"ill", "malade", "malade", "malades", "", false},
    {"ready", "prêt", "prête", "prêts", "", false}};

enum Person { i, you, he, we, they };  // he: the third person singular, they: its plural

struct Verb {
  std::string english, english_third, english_past;
  std::string present[5];  // je, vous, il, nous, ils
  std::string participle, future;  // future: the stem
  bool with_etre = false;
};
const std::vector<Verb> transitive{
    {"eat", "eats", "ate", {"mange", "mangez", "mange", "mangeons", "mangent"}, "mangé", "manger"},
    {"see", "sees", "saw", {"vois", "voyez", "voit", "voyons", "voient"}, "vu", "verr"},
    {"like", "likes", "liked", {"aime", "aimez", "aime", "aimons", "aiment"}, "aimé", "aimer"},
    {"find", "finds", "found", {"trouve", "trouvez", "trouve", "trouvons", "trouvent"}, "trouvé", "trouver"},
    {"buy", "buys", "bought", {"achète", "achetez", "achète", "achetons", "achètent"}, "acheté", "achèter"},
    {"sell", "sells", "sold", {"vends", "vendez", "vend", "vendons", "vendent"}, "vendu", "vendr"},
    {"take", "takes", "took", {"prends", "prenez", "prend", "prenons", "prennent"}, "pris", "prendr"},
    {"draw", "draws", "drew", {"dessine", "dessinez", "dessine", "dessinons", "dessinent"}, "dessiné", "dessiner"},
    {"hide", "hides", "hid", {"cache", "cachez", "cache", "cachons", "cachent"}, "caché", "cacher"},
    {"want", "wants", "wanted", {"veux", "voulez", "veut", "voulons", "veulent"}, "voulu", "voudr"}};
const std::vector<Verb> intransitive{
    {"sleep", "sleeps", "slept", {"dors", "dormez", "dort", "dormons", "dorment"}, "dormi", "dormir"},
    {"sing", "sings", "sang", {"chante", "chantez", "chante", "chantons", "chantent"}, "chanté", "chanter"},
    {"run", "runs", "ran", {"cours", "courez", "court", "courons", "courent"}, "couru", "courr"},
    {"dance", "dances", "danced", {"danse", "dansez", "danse", "dansons", "dansent"}, "dansé", "danser"},
    {"swim", "swims", "swam", {"nage", "nagez", "nage", "nageons", "nagent"}, "nagé", "nager"},
    {"arrive", "arrives", "arrived", {"arrive", "arrivez", "arrive", "arrivons", "arrivent"}, "arrivé", "arriver",
     true},
    {"leave", "leaves", "left", {"pars", "partez", "part", "partons", "partent"}, "parti", "partir", true},
    {"fall", "falls", "fell", {"tombe", "tombez", "tombe", "tombons", "tombent"}, "tombé", "tomber", true}};

const std::string avoir[5]{"ai", "avez", "a", "avons", "ont"};
const std::string etre[5]{"suis", "êtes", "est", "sommes", "sont"},
    etre_past[5]{"étais", "étiez", "était", "étions", "étaient"};
const std::string future_endings[5]{"ai", "ez", "a", "ons", "ont"};

enum class Tense { present, past, future };

// ---- small rules

bool vowel(const std::string& french) {
  for (const char* start : {"a", "e", "i", "o", "u", "h", "é", "ê", "â", "œ"}) {  // every h of the lexicon is silent
    if (french.rfind(start, 0) == 0) return true;
  }
  return false;
}

bool english_vowel(const std::string& word) { return std::string("aeiou").find(word[0]) != std::string::npos; }

// "le" + "homme" -> "l'homme"
std::string elide(const std::string& word, const std::string& elided, const std::string& next) {
  return vowel(next) ? elided + next : word + " " + next;
}

std::string agree(const Adjective& a, bool feminine, bool plural) {
  return feminine ? (plural ? a.feminines() : a.feminine) : (plural ? a.masculines : a.masculine);
}

struct Phrase {
  std::string english, french;
  Person person = he;
  bool feminine = false;
  bool plural() const { return person == we || person == they; }
};

// ---- the grammar

class Grammar {
 public:
  explicit Grammar(std::uint64_t seed) : random_(seed) {}

  SentencePair sentence() {
    Phrase s = chance(3) ? pronoun() : noun_phrase(beings, true);
    const auto tense = static_cast<Tense>(random_.below(3));
    const bool negative = chance(3);
    SentencePair out;
    switch (random_.below(5)) {
      case 0: out = quality(s, tense, negative); break;
      case 1:
        out = clause(s, pick(intransitive), tense, negative);
        if (chance(2)) where(out);
        break;
      default: {
        out = clause(s, pick(transitive), tense, negative);
        // after a negation "a" would be "de"
        const Phrase object = noun_phrase(chance(3) ? beings : things, !negative);
        out.english += " " + object.english;
        out.french += " " + object.french;
      }
    }
    if (chance(4)) when(out, tense);
    return {capital(out.english) + ".", capital(out.french) + "."};
  }

 private:
  bool chance(std::int64_t one_in) { return random_.below(one_in) == 0; }
  template <class T>
  const T& pick(const std::vector<T>& from) {
    return from[static_cast<std::size_t>(random_.below(static_cast<std::int64_t>(from.size())))];
  }

  Phrase pronoun() {
    static const std::vector<Phrase> pronouns{{"I", "je", i}, {"you", "vous", you}, {"he", "il", he},
                                              {"she", "elle", he, true}, {"we", "nous", we}, {"they", "ils", they}};
    return pick(pronouns);
  }

  Phrase noun_phrase(const std::vector<Noun>& nouns, bool may_be_indefinite) {
    const Noun& noun = pick(nouns);
    const Adjective* adjective = chance(2) ? &pick(adjectives) : nullptr;
    const std::int64_t kind = random_.below(may_be_indefinite ? 7 : 6);  // the, this, my, his, our, a number, a
    const bool plural = kind == 5 || (kind < 5 && chance(3)), f = noun.feminine;

    std::string english = plural ? noun.english_plural : noun.english,
        french = plural ? noun.french_plural : noun.french;
    if (adjective) {
      english = adjective->english + " " + english;
      std::string word = agree(*adjective, f, plural);
      if (adjective->in_front && !f && !plural && !adjective->before_vowel.empty() && vowel(french)) {
        word = adjective->before_vowel;
      }
      french = adjective->in_front ? word + " " + french : french + " " + word;
    }
    const bool v = vowel(french);
    switch (kind) {
      case 0:
        return {"the " + english,
                plural ? "les " + french : f ? elide("la", "l'", french) : elide("le", "l'", french),
                plural ? they : he, f};
      case 1:
        return {(plural ? "these " : "this ") + english,
                (plural ? "ces " : f ? "cette " : v ? "cet " : "ce ") + french, plural ? they : he, f};
      case 2: return {"my " + english, (plural ? "mes " : f && !v ? "ma " : "mon ") + french, plural ? they : he, f};
      case 3:
        return {(chance(2) ? "his " : "her ") + english, (plural ? "ses " : f && !v ? "sa " : "son ") + french,
                plural ? they : he, f};
      case 4: return {"our " + english, (plural ? "nos " : "notre ") + french, plural ? they : he, f};
      case 5: {
        static const std::vector<Phrase> numbers{{"two", "deux"}, {"three", "trois"}, {"four", "quatre"},
                                                 {"five", "cinq"}, {"six", "six"}, {"seven", "sept"}, {"eight", "huit"},
                                                 {"nine", "neuf"}, {"ten", "dix"}};
        const Phrase& n = pick(numbers);
        return {n.english + " " + english, n.french + " " + french, they, f};
      }
      default: return {(english_vowel(english) ? "an " : "a ") + english, (f ? "une " : "un ") + french, he, f};
    }
  }

  // subject + (ne) verb (pas) + rest, with "je" and "ne" elided before a vowel
  static std::string french_clause(const Phrase& s, std::string verb, bool negative, const std::string& rest = "") {
    if (negative) verb = elide("ne", "n'", verb) + " pas";
    const std::string predicate = rest.empty() ? verb : verb + " " + rest;
    return s.person == i ? elide("je", "j'", predicate) : s.french + " " + predicate;
  }

  static SentencePair clause(const Phrase& s, const Verb& v, Tense tense, bool negative) {
    const bool third = s.person == he;
    if (tense == Tense::future) {
      return {s.english + (negative ? " will not " : " will ") + v.english,
              french_clause(s, v.future + future_endings[s.person], negative)};
    }
    if (tense == Tense::past) {
      const std::string english = negative ? "did not " + v.english : v.english_past;
      std::string participle = v.participle;
      if (v.with_etre) participle += std::string(s.feminine ? "e" : "") + (s.plural() ? "s" : "");
      return {s.english + " " + english,
              french_clause(s, v.with_etre ? etre[s.person] : avoir[s.person], negative, participle)};
    }
    const std::string english = negative ? (third ? "does not " : "do not ") + v.english
                                : third  ? v.english_third
                                         : v.english;
    return {s.english + " " + english, french_clause(s, v.present[s.person], negative)};
  }

  SentencePair quality(const Phrase& s, Tense tense, bool negative) {
    const Adjective& a = pick(moods);
    const std::string is = s.person == i ? "am" : s.person == he ? "is" : "are",
        was = s.person == i || s.person == he ? "was" : "were";
    const std::string no = negative ? " not " : " ";
    const std::string english = tense == Tense::future ? (negative ? " will not be " : " will be ")
                                                       : " " + (tense == Tense::past ? was : is) + no;
    const std::string verb = tense == Tense::future ? "ser" + future_endings[s.person]
                             : tense == Tense::past ? etre_past[s.person]
                                                    : etre[s.person];
    return {s.english + english + a.english, french_clause(s, verb, negative, agree(a, s.feminine, s.plural()))};
  }

  void where(SentencePair& s) {
    static const std::vector<SentencePair> places{
        {"here", "ici"}, {"in the garden", "dans le jardin"}, {"in the street", "dans la rue"},
        {"near the river", "près de la rivière"}, {"with us", "avec nous"}, {"behind the house", "derrière la maison"}};
    const SentencePair& place = pick(places);
    s.english += " " + place.english;
    s.french += " " + place.french;
  }

  static void when(SentencePair& s, Tense tense) {
    s.english += tense == Tense::past ? " yesterday" : tense == Tense::future ? " tomorrow" : " today";
    s.french += tense == Tense::past ? " hier" : tense == Tense::future ? " demain" : " aujourd'hui";
  }

  static std::string capital(std::string text) {
    if (text[0] >= 'a' && text[0] <= 'z') text[0] = static_cast<char>(text[0] - 32);
    return text;
  }

  gradus::Generator random_;
};

}  // namespace

ToyCorpus toy_corpus(std::uint64_t seed, std::size_t train, std::size_t held_out) {
  Grammar grammar(seed);
  ToyCorpus corpus;
  for (std::set<std::string> known; corpus.train.size() < train || corpus.held_out.size() < held_out;) {
    SentencePair pair = grammar.sentence();
    if (!known.insert(pair.english).second) continue;
    (corpus.held_out.size() < held_out ? corpus.held_out : corpus.train).push_back(std::move(pair));
  }
  return corpus;
}
