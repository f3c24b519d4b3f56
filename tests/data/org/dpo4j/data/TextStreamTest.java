package org.dpo4j.data;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.dpo4j.model.TestFiles;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class TextStreamTest {
    @TempDir
    Path directory;

    /** Bytes of a character are separate tokens here, and a space is part of the next word. */
    @Test
    void piecesAreWholeCharactersAndMakeTheText() {
        try (Tokenizer tokenizer = Tokenizer.load(TestFiles.real("models/stories260K/hf"), 512)) {
            String text = "Once upon a \uD83E\uDD99 time, \u00E9t\u00E9  they  said: \u4F60\u597D. ";
            int[] ids = tokenizer.encode(text);
            for (int prompt : new int[] {0, 1, 3}) {
                TextStream stream = new TextStream(tokenizer, Arrays.copyOf(ids, prompt), List.of());
                StringBuilder all = new StringBuilder(tokenizer.decode(Arrays.copyOf(ids, prompt)));
                int pieces = 0;
                for (int i = prompt; i < ids.length; i++) {
                    String piece = stream.add(ids[i]);
                    assertThat(piece).doesNotContain("\uFFFD");
                    pieces += piece.isEmpty() ? 0 : 1;
                    all.append(piece);
                }
                all.append(stream.end());
                assertThat(all.toString()).isEqualTo(tokenizer.decode(ids));
                assertThat(pieces).isBetween(10, ids.length - prompt - 6);
            }
        }
    }

    /** Text is held back while it may begin a stop string. */
    @Test
    void aTextEndsBeforeTheFirstStopString() {
        try (Tokenizer tokenizer = LetterTokenizer.load(directory, false)) {
            TextStream stream = new TextStream(tokenizer, tokenizer.encode("ab"), List.of("dab", "bca", "ccc"));
            StringBuilder pieces = new StringBuilder();
            for (int id : tokenizer.encode("abcbbcad")) {
                pieces.append(stream.add(id)).append('|');
            }
            assertThat(pieces.append(stream.end()).toString()).isEqualTo("a||bc|b||||");
            assertThat(stream.isStopped()).isTrue();
            assertThat(stream.text()).isEqualTo("abcb");
        }
    }

    @Test
    void whatMayBeginAStopStringIsGivenAtTheEnd() {
        try (Tokenizer tokenizer = LetterTokenizer.load(directory, false)) {
            TextStream stream = new TextStream(tokenizer, tokenizer.encode("c"), List.of("abc"));
            assertThat(stream.add(tokenizer.encode("a")[0])).isEmpty();
            assertThat(stream.add(tokenizer.encode("b")[0])).isEmpty();
            assertThat(stream.end()).isEqualTo("ab");
            assertThat(stream.isStopped()).isFalse();
        }
    }
}
