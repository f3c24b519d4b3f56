package org.dpo4j.kernels.decoder;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.junit.jupiter.api.Test;

class SegmentTest {
    /** Compares packed segments with {@code dpo4j_segment}, field by field. */
    @Test
    void packsTheFieldsOfTheStructInOrder() {
        Segment prompt = Segment.plain(3, 5, 2);
        Segment completion = Segment.withPrefix(prompt, 8, 4);
        Segment cached = new Segment(1, 2, 30, 4, 50, 6, 0);
        assertThat(Segment.pack(List.of(prompt, completion, cached)))
                .containsExactly(3, 5, 3, 0, 0, 0, 2, 0, 8, 4, 8, 0, 3, 5, 0, 0, 1, 2, 30, 4, 50, 6, 0, 0);
    }
}
