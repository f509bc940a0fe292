from decimal import Decimal

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0002_sorted_name'),
    ]

    operations = [
        migrations.AddField(
            model_name='user',
            name='discount_limit',
            field=models.DecimalField(db_default=Decimal(0), decimal_places=2, default=Decimal(0), max_digits=4, verbose_name='discount limit'),
        ),
        migrations.AddConstraint(
            model_name='user',
            constraint=models.CheckConstraint(condition=models.Q(('discount_limit__gte', 0), ('discount_limit__lt', 100)), name='user_discount_limit_possible'),
        ),
    ]
