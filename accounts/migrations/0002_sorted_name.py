from typing import Any

from django.db import migrations, models

from erp_site.core.search import sort_all


def fill(apps: Any, schema_editor: Any) -> None:
    sort_all(apps.get_model('accounts', 'user'))


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0001_initial'),
    ]

    operations = [
        migrations.AddField(
            model_name='user',
            name='sorted_name',
            field=models.CharField(default='', editable=False, max_length=255),
            preserve_default=False,
        ),
        migrations.RunPython(fill, migrations.RunPython.noop, elidable=True),
        migrations.RemoveIndex(
            model_name='user',
            name='user_by_name',
        ),
        migrations.AddIndex(
            model_name='user',
            index=models.Index(fields=['sorted_name', 'id'], name='user_by_name'),
        ),
    ]
