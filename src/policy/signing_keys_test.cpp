#include "policy/signing_keys.hpp"

#include "env/zone_resolver.hpp"
#include "policy/key_rotation.hpp"

#include <gtest/gtest.h>

namespace policy {
namespace {

/// Files in a map; what is not there is NotFound. Folders are what stands before a slash.
class MapFiles : public env::FileSystem {
 public:
    std::map<std::string, std::string> files;

    class MapFile : public env::File {
     public:
        explicit MapFile(std::string& text) : text_(text) {}
        std::expected<void, env::FileError> write(std::string_view bytes) override {
            text_ += bytes;
            return {};
        }
        std::expected<void, env::FileError> sync() override { return {}; }
        std::expected<void, env::FileError> truncate(std::uint64_t size) override {
            text_.resize(size);
            return {};
        }
        std::expected<std::uint64_t, env::FileError> size() override { return text_.size(); }
        std::expected<env::FileStat, env::FileError> stat() override { return env::FileStat{}; }
        std::expected<void, env::FileError> lock_fcntl() override { return {}; }
        std::expected<void, env::FileError> lock_flock() override { return {}; }

     private:
        std::string& text_;
    };

    std::expected<std::unique_ptr<env::File>, env::FileError> open(const std::string& path,
                                                                   env::OpenMode mode,
                                                                   std::uint32_t) override {
        if (mode == env::OpenMode::CreateExclusive && files.contains(path))
            return std::unexpected(env::FileError::Exists);
        return std::make_unique<MapFile>(files[path]);
    }
    std::expected<std::string, env::FileError> read(const std::string& path, std::uint64_t) override {
        const auto found = files.find(path);
        if (found == files.end()) return std::unexpected(env::FileError::NotFound);
        return found->second;
    }
    std::expected<Opened, env::FileError> read_foreign(const std::string&, std::uint64_t) override {
        return std::unexpected(env::FileError::Io);
    }
    std::expected<env::FileStat, env::FileError> stat(const std::string& path) override {
        if (!files.contains(path)) return std::unexpected(env::FileError::NotFound);
        env::FileStat out;
        out.size = files[path].size();
        return out;
    }
    std::expected<env::FileStat, env::FileError> lstat(const std::string& path) override {
        return stat(path);
    }
    std::expected<void, env::FileError> make_directory(const std::string&, std::uint32_t) override {
        return {};
    }
    std::expected<void, env::FileError> rename(const std::string& from, const std::string& to) override {
        files[to] = files[from];
        files.erase(from);
        return {};
    }
    std::expected<void, env::FileError> link(const std::string&, const std::string&) override { return {}; }
    std::expected<void, env::FileError> remove(const std::string& path) override {
        files.erase(path);
        return {};
    }
    std::expected<void, env::FileError> sync_directory(const std::string&) override { return {}; }
    std::expected<std::vector<std::string>, env::FileError> list(const std::string& path) override {
        std::vector<std::string> out;
        for (const auto& [name, text] : files) {
            if (!name.starts_with(path + "/")) continue;
            const auto rest = name.substr(path.size() + 1);
            const auto first = rest.substr(0, rest.find('/'));
            if (out.empty() || out.back() != first) out.push_back(first);
        }
        if (out.empty()) return std::unexpected(env::FileError::NotFound);
        return out;
    }
};

std::string key_text() {
    static const std::string pem = dkim::generate_key_pem(0);
    return pem;
}

/// "domain:selector(:identity)" of what signs, in order.
std::string signers(const SigningKeys& keys, const std::string& author) {
    std::string out;
    for (const auto& key : keys.keys_for(author)) {
        out += (out.empty() ? "" : " ") + key.domain + ":" + key.selector;
        if (!key.identity.empty()) out += ":" + key.identity;
    }
    return out;
}

TEST(Pattern, Globs) {
    struct Case {
        std::string_view pattern, text;
        bool matches;
    };
    for (const auto& [pattern, text, matches] : {Case{"*", "", true},
                                                 {"*", "x", true},
                                                 {"", "", true},
                                                 {"", "x", false},
                                                 {"a*c", "abbc", true},
                                                 {"a*c", "ac", true},
                                                 {"a*c", "acb", false},
                                                 {"*@*.EXAMPLE.org", "ann@a.b.example.ORG", true},
                                                 {"*@example.org", "ann@example.org.evil", false},
                                                 {"a*b*c*", "a1b2c3", true},
                                                 {"a**", "a", true}})
        EXPECT_EQ(matches_pattern(pattern, text), matches) << pattern << " " << text;
    const std::string bad = std::string(5000, 'a');
    EXPECT_FALSE(matches_pattern("*a*a*a*a*a*a*a*a*b", bad));
}

TEST(OpenDkim, RefileFirstAndAllMatches) {
    MapFiles files;
    files.files["/k/one"] = files.files["/k/two"] = key_text();
    files.files["/etc/KeyTable"] =
        "# keys\none example.org:s1:/k/one\n\ntwo\t example.org:s2:/k/two  # the second\nany %:s3:/k/one\n"
        "inline example.net:s4:nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=\n";
    files.files["/etc/SigningTable"] =
        "*@example.org one\nann@* two:ann@mail.example.org\n*@*.example.org one:%\n*@other.example "
        "any\n*@evil.example one:x@elsewhere.example\n";
    SenderOptions options;
    options.key_table = "file:/etc/KeyTable";
    options.signing_table = "refile:/etc/SigningTable";
    const auto first = SigningKeys::make(options, files);
    ASSERT_TRUE(first) << first.error();
    EXPECT_EQ(signers(*first, "ann@example.org"), "example.org:s1");
    EXPECT_EQ(signers(*first, "ANN@Example.ORG"), "example.org:s1");
    EXPECT_EQ(signers(*first, "bob@a.example.org"), "example.org:s1:a.example.org");
    EXPECT_EQ(signers(*first, "bob@other.example"), "other.example:s3");
    EXPECT_EQ(signers(*first, "bob@evil.example"), "example.org:s1")
        << "i= that conflicts with d= is left out";
    EXPECT_EQ(signers(*first, "bob@nobody.example"), "");
    EXPECT_EQ(signers(*first, "no address"), "");
    options.multiple_signatures = true;
    EXPECT_EQ(signers(*SigningKeys::make(options, files), "ann@example.org"),
              "example.org:s1 example.org:s2:ann@mail.example.org");
}

TEST(OpenDkim, PlainFilesAreAskedInOpenDkimsOrder) {
    MapFiles files;
    files.files["/k/one"] = key_text();
    files.files["/KeyTable"] =
        "a example.org:a:/k/one\nb example.org:b:/k/one\nc example.org:c:/k/one\nd example.org:d:/k/one\n";
    SenderOptions options;
    options.key_table = "/KeyTable";
    struct Case {
        std::string table, author, signer;
    };
    for (const auto& [table, author, signer] :
         {Case{"* d\n.org c\nexample.org b\nann@example.org a", "ann@example.org", "example.org:a"},
          {"* d\n.org c\nexample.org b\nann@example.org a", "bob@example.org", "example.org:b"},
          {"* d\n.org c\nexample.org b", "bob@x.example.org", "example.org:c"},
          {"* d\n.example.org c", "bob@x.example.org", "example.org:c"},
          {"* d\nann@.org c", "ann@x.example.org", "example.org:c"},
          {"* d\nann@* c", "ann@elsewhere.example", "example.org:c"},
          {"* d", "ann@elsewhere.example", "example.org:d"},
          {"% a", "ann@example.org", "example.org:a"},
          {"other.example a", "ann@example.org", ""}}) {
        files.files["/SigningTable"] = table;
        options.signing_table = "/SigningTable";
        const auto keys = SigningKeys::make(options, files);
        ASSERT_TRUE(keys) << keys.error();
        EXPECT_EQ(signers(*keys, author), signer) << table << " " << author;
    }
    options.signing_table = "csl:example.org=b,other.example=a";
    EXPECT_EQ(signers(*SigningKeys::make(options, files), "x@other.example"), "example.org:a");
}

TEST(OpenDkim, PercentInThePath) {
    MapFiles files;
    files.files["/keys/example.org/mail.private"] = files.files["/keys/example.net/mail.private"] =
        key_text();
    files.files["/keys/README"] = "no key";
    files.files["/KeyTable"] = "each %:mail:/keys/%/mail.private\n";
    files.files["/SigningTable"] = "* each\n";
    SenderOptions options;
    options.key_table = "/KeyTable";
    options.signing_table = "refile:/SigningTable";
    const auto keys = SigningKeys::make(options, files);
    ASSERT_TRUE(keys) << keys.error();
    EXPECT_EQ(signers(*keys, "ann@example.org"), "example.org:mail");
    EXPECT_EQ(signers(*keys, "ann@example.net"), "example.net:mail");
    EXPECT_EQ(signers(*keys, "ann@example.com"), "");
    EXPECT_EQ(signers(*keys, "ann@../etc"), "");
    EXPECT_EQ(keys->all().size(), 2U);
}

TEST(OpenDkim, WhatIsWrongIsSaid) {
    MapFiles files;
    files.files["/k/one"] = key_text();
    files.files["/k/bad"] = "nonsense";
    files.files["/good"] = "one example.org:s1:/k/one\n";
    struct Case {
        std::string key_table, signing_table, says;
    };
    for (const auto& [key_table, signing_table, says] :
         {Case{"one", "x one", "line 1"},
          {"one example.org:/k/one", "x one", "domain:selector:/path"},
          {"\n\none example.org:s:/k/none", "x one", "line 3: /k/none: no such file"},
          {"one example.org:s:/k/bad", "x one", "/k/bad"},
          {"one example.org:s:./rel", "x one", "begins with /"},
          {"one example.org:s:/k/one", "x two", "two is not in dkim_key_table"}}) {
        files.files["/KeyTable"] = key_table;
        files.files["/SigningTable"] = signing_table;
        SenderOptions options;
        options.key_table = "/KeyTable";
        options.signing_table = "/SigningTable";
        const auto keys = SigningKeys::make(options, files);
        ASSERT_FALSE(keys) << key_table;
        EXPECT_NE(keys.error().find(says), std::string::npos) << keys.error();
    }
    for (const std::string type : {"db:/etc/keys.db", "ldap://x/", "dsn:pgsql://x", "KeyTable"}) {
        const auto set = read_data_set("dkim_key_table", type, files);
        ASSERT_FALSE(set) << type;
        EXPECT_NE(set.error().find("not honoured"), std::string::npos);
    }
}

TEST(SigningKeys, ParentsAndIdn) {
    MapFiles files;
    files.files["/k"] = key_text();
    SenderOptions options;
    options.signing_keys = {"example.org:a:/k", "example.org:b:/k", "sub.example.org:c:/k",
                            "xn--mller-kva.example:d:/k"};
    const auto keys = SigningKeys::make(options, files);
    ASSERT_TRUE(keys);
    EXPECT_EQ(signers(*keys, "ann@example.org"), "example.org:a example.org:b");
    EXPECT_EQ(signers(*keys, "ann@deep.sub.example.org"), "sub.example.org:c");
    EXPECT_EQ(signers(*keys, "ann@M\xc3\xbcller.example"), "xn--mller-kva.example:d");
    EXPECT_EQ(signers(*keys, "ann@notexample.org"), "");
}

using Phase = Rotation::Phase;
using dkim::Published;

TEST(Rotation, FromFirstToLast) {
    Rotation state;
    state.domain = "example.org";
    state.keys = {{RotationKey::Role::Active, "old", "/k/old"}};
    const RotationRules rules{std::chrono::seconds(100), std::chrono::seconds(1000)};
    state = announce(state, {{RotationKey::Role::Next, "new", "/k/new"}}, 1);
    const auto take = [&](PublishedKeys dns, std::uint64_t now) {
        const auto step = advance(state, dns, now, rules);
        EXPECT_EQ(to_state_text(advance(state, dns, now, rules).after), to_state_text(step.after))
            << "the same again";
        // What is kept is what is read back: a run may end here.
        const auto read = parse_rotation(to_state_text(step.after));
        EXPECT_TRUE(read && to_state_text(*read) == to_state_text(step.after));
        state = *read;
        return step;
    };
    const auto signer = [&] {
        std::string out;
        for (const auto& key : state.keys)
            if (key.role == RotationKey::Role::Active) out += key.selector;
        return out;
    };
    EXPECT_NE(take({{"new", Published::Missing}}, 10).wanted.find("new._domainkey.example.org"),
              std::string::npos);
    EXPECT_EQ(take({{"new", Published::Differs}}, 20).after.phase, Phase::Announced);
    take({{"new", Published::Matches}}, 30);
    EXPECT_EQ(state.seen_since, 30U);
    take({{"new", Published::Unknown}}, 40);
    EXPECT_EQ(state.seen_since, 30U) << "no answer is not a no";
    take({{"new", Published::Missing}}, 50);
    EXPECT_EQ(state.seen_since, 0U) << "a server that does not have it";
    take({{"new", Published::Matches}}, 60);
    take({{"new", Published::Matches}}, 159);
    EXPECT_EQ(signer(), "old");
    take({{"new", Published::Matches}}, 160);
    EXPECT_EQ(signer(), "new");
    EXPECT_EQ(state.phase, Phase::Overlap);
    EXPECT_TRUE(take({{"old", Published::Matches}}, 1159).files_to_remove.empty());
    const auto ended = take({{"old", Published::Matches}}, 1160);
    EXPECT_EQ(ended.files_to_remove, std::vector<std::string>{"/k/old"});
    EXPECT_EQ(state.phase, Phase::Retiring);
    EXPECT_NE(take({{"old", Published::Differs}}, 1200).wanted.find("remove old._domainkey"),
              std::string::npos);
    take({{"old", Published::Unknown}}, 1250);
    EXPECT_EQ(state.phase, Phase::Retiring);
    take({{"old", Published::Revoked}}, 1300);
    EXPECT_EQ(state.phase, Phase::Idle);
    EXPECT_EQ(state.keys.size(), 1U);
    EXPECT_EQ(state.since, 160U) << "the age of a key counts from its switch";
}

TEST(Rotation, AFirstKeyHasNoOverlap) {
    Rotation state;
    state.domain = "example.org";
    state = announce(state, {{RotationKey::Role::Next, "r", "/r"}, {RotationKey::Role::Next, "e", "/e"}}, 1);
    const RotationRules now_at_once{std::chrono::seconds(0), std::chrono::seconds(0)};
    EXPECT_EQ(
        advance(state, {{"r", Published::Matches}, {"e", Published::Missing}}, 2, now_at_once).after.phase,
        Phase::Announced)
        << "both or none";
    EXPECT_EQ(
        advance(state, {{"r", Published::Matches}, {"e", Published::Matches}}, 2, now_at_once).after.phase,
        Phase::Idle);
}

TEST(Rotation, StatesThatAreNone) {
    for (const std::string_view bad :
         {"", "domain", "domain a..b", "domain x\nphase odd", "domain x\nkey active s",
          "domain x\nkey odd s /p", "domain x\nsince -1", "domain x\nwhat ever",
          "domain x\nkey active a..b /p", "phase idle"})
        EXPECT_FALSE(parse_rotation(bad)) << bad;
    const auto spaces = parse_rotation("domain x\nkey old s /a path/with spaces\nkey retired t -\n");
    ASSERT_TRUE(spaces);
    EXPECT_EQ(spaces->keys[0].path, "/a path/with spaces");
    EXPECT_EQ(spaces->keys[1].path, "");
}

TEST(Rotation, WhatIsKeptSigns) {
    MapFiles files;
    files.files["/k"] = files.files["/d/example.org.new.pem"] = key_text();
    SenderOptions options;
    options.signing_keys = {"example.org:old:/k", "sub.example.org:sub:/k"};
    options.key_directory = "/d";
    EXPECT_EQ(signers(*SigningKeys::make(options, files), "a@example.org"), "example.org:old");
    Rotation state;
    state.domain = "example.org";
    state.keys = {{RotationKey::Role::Active, "new", "/d/example.org.new.pem"},
                  {RotationKey::Role::Old, "old", "/k"}};
    const auto before = SigningKeys::stamp(options, files);
    ASSERT_TRUE(RotationFolder(files, "/d").keep(state));
    EXPECT_NE(SigningKeys::stamp(options, files), before) << "the server sees the change";
    EXPECT_EQ(signers(*SigningKeys::make(options, files), "a@example.org"), "example.org:new");
    EXPECT_EQ(signers(*SigningKeys::make(options, files), "a@sub.example.org"), "sub.example.org:sub");
    files.files["/d/broken.rotation"] = "nonsense\n";
    EXPECT_FALSE(SigningKeys::make(options, files));
}

TEST(Published, EveryAnswer) {
    const auto key = *dkim::PrivateKey::parse(key_text());
    const auto other = *dkim::PrivateKey::parse(dkim::generate_key_pem(0));
    const auto line = [](const std::string& text) {
        return "s._domainkey.example.org TXT " + dns::text_strings(text);
    };
    struct Case {
        std::vector<std::string> zone;
        Published state;
    };
    for (const auto& [zone, state] :
         {Case{{}, Published::Missing},
          {{line(dkim::key_record_text(key))}, Published::Matches},
          {{line(dkim::key_record_text(other))}, Published::Differs},
          {{line("v=DKIM1; k=ed25519; p=")}, Published::Revoked},
          {{line("hello")}, Published::Differs},
          {{"s._domainkey.example.org SERVFAIL"}, Published::Unknown},
          {{line(dkim::key_record_text(key)), line(dkim::key_record_text(other))}, Published::Differs}}) {
        env::ZoneResolver resolver(zone);
        EXPECT_EQ(env::run_now(dkim::look_up_published(resolver, "example.org", "s", key)), state)
            << to_text(state);
    }
}

}  // namespace
}  // namespace policy
