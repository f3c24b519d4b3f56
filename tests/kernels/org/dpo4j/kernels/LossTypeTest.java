package org.dpo4j.kernels;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;

class LossTypeTest {
    @Test
    void optionsNameLosses() {
        for (LossType type : LossType.values()) {
            assertThat(LossType.fromOption(type.option())).isEqualTo(type);
        }
    }

    @Test
    void anUnknownLossIsRefusedWithTheKnownOnes() {
        assertThatThrownBy(() -> LossType.fromOption("hinge_v2"))
                .isInstanceOf(Dpo4jException.class)
                .hasMessageContaining("hinge_v2")
                .hasMessageContaining("sigmoid");
    }
}
