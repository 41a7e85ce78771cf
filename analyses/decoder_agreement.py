"""One embedding drawn by several decoders: `clipspace.analyses.decoder_agreement` from the command line.

python analyses/decoder_agreement.py [IMAGES …] -o results
"""

from clipspace.analyses.command import main

if __name__ == "__main__":
    main("decoder_agreement")
