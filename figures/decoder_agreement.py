"""Draw the result of ``analyses/decoder_agreement.py``.

python figures/decoder_agreement.py results/decoder_agreement.json
"""

from clipspace.figures.command import main

if __name__ == "__main__":
    main("decoder_agreement")
