package org.dpo4j.data;

import static org.assertj.core.api.Assertions.assertThat;

import ai.djl.huggingface.tokenizers.HuggingFaceTokenizer;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Texts encoded piece by piece have the ids of the tokenizers library for the whole text. */
class TextPiecesTest {
    /** Parts whose order decides where pre-tokenizers split. */
    private static final List<String> PARTS = List.of(
            " ",
            " ",
            " ",
            "  ",
            "\n",
            "\n",
            "\n\n",
            "\r\n",
            "\t",
            "a",
            "The",
            "word",
            "'s",
            "'S",
            "'",
            "it's",
            "1",
            "2024",
            ".",
            "...",
            "!?",
            "(",
            ")",
            "-",
            "\u00a0",
            "\u3000",
            "e\u0301",
            "\u0301",
            "\u017f",
            "\u4f60\u597d",
            "\ud83d\ude00",
            "<|endoftext|>",
            "<s>",
            "_",
            "\u007f",
            "\u0000");

    private static final String LLAMA_3 = "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}"
            + "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";

    @TempDir
    Path directory;

    private static String text(Random random) {
        StringBuilder text = new StringBuilder();
        for (int length = random.nextInt(30); length > 0; length--) {
            text.append(PARTS.get(random.nextInt(PARTS.size())));
        }
        return text.toString();
    }

    @Test
    void idsAreThoseOfTheWholeText() {
        List<String> split = new ArrayList<>();
        for (String name : GoldenTokenizers.names().toList()) {
            TestData.write(directory, "tokenizer.json", GoldenTokenizers.json(name));
            TokenizerFile file = TokenizerFile.read(directory.resolve("tokenizer.json"));
            if (file.hasPieces()) {
                split.add(name);
                assertWhole(name, file);
            }
        }
        assertThat(split).hasSizeGreaterThanOrEqualTo(3);
    }

    private static void assertWhole(String name, TokenizerFile file) {
        try (HuggingFaceTokenizer library = TokenizerLibrary.open(file.json())) {
            TextPieces pieces = new TextPieces(text -> TokenizerLibrary.encode(library, text));
            Random random = new Random(7);
            for (int i = 0; i < 2000; i++) {
                String text = text(random);
                assertThat(pieces.encode(text))
                        .as("%s: %s", name, text)
                        .isEqualTo(TokenizerLibrary.encode(library, text));
            }
        }
    }

    private static boolean isExact(String normalizer, String preTokenizer) throws JsonProcessingException {
        JsonMapper mapper = new JsonMapper();
        JsonNode split = mapper.createObjectNode()
                .put("type", "Split")
                .put("behavior", "Isolated")
                .put("invert", false)
                .set("pattern", mapper.createObjectNode().put("Regex", LLAMA_3));
        return TextPieces.isExact(
                mapper.readTree(normalizer), mapper.readTree(preTokenizer.replace("LLAMA_3", split.toString())));
    }

    /** Metaspace, Punctuation and unknown expressions may join what is on both sides of a space. */
    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '~',
            value = {
                "true | null | {'type':'ByteLevel','add_prefix_space':false}",
                "true | null | {'type':'ByteLevel','add_prefix_space':false,'use_regex':true}",
                "true | {'type':'NFC'} | LLAMA_3",
                "true | null | {'type':'Sequence','pretokenizers':[{'type':'Digits'},LLAMA_3]}",
                "false | null | {'type':'ByteLevel','add_prefix_space':false,'use_regex':false}",
                "false | null | {'type':'ByteLevel','add_prefix_space':true}",
                "false | null | {'type':'ByteLevel'}",
                "false | {'type':'NFKC'} | LLAMA_3",
                "false | {'type':'Prepend','prepend':'x'} | LLAMA_3",
                "false | null | {'type':'Metaspace'}",
                "false | null | null",
                "false | null | {'type':'Sequence','pretokenizers':[]}",
                "false | null | {'type':'Sequence','pretokenizers':[{'type':'Punctuation'},LLAMA_3]}",
                "false | null | {'type':'Sequence','pretokenizers':[{'type':'Digits'}]}",
                "false | null | {'type':'Sequence','pretokenizers':[LLAMA_3,{'type':'Metaspace'}]}",
                "false | null | {'type':'Split','behavior':'Isolated','invert':false,'pattern':{'Regex':'.+'}}"
            })
    void onlyKnownPreTokenizersAreExact(boolean expected, String normalizer, String preTokenizer)
            throws JsonProcessingException {
        assertThat(isExact(normalizer.replace('\'', '"'), quoted(preTokenizer))).isEqualTo(expected);
    }

    private static String quoted(String preTokenizer) {
        return preTokenizer.replace('\'', '"');
    }

    @Test
    void addedTokensWithAnEndOfAPieceInsideAreAcross() {
        assertThat(List.of("a b", "<a> </a>", "a\nb", "x ")).allMatch(TextPieces::isAcross);
        assertThat(List.of("<|im_end|>", "  ", " a", "\n\n", "<|im_end|>\n")).noneMatch(TextPieces::isAcross);
    }
}
